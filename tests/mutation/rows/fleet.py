"""What members of a fleet share."""

from row import Row

ROWS = (
    Row("a word that is told again overrides one that was said later", "proxy/fleet/words.c",
        "if said > tonumber(ARGV[4]) then return 0 end",
        "if said > tonumber(ARGV[4]) then said = 0 end",
        "scenario/fleet.py: told again over", "an upstream that was opened again is closed at all replicas"),
    Row("a word of another replica is no news to the one whose own word has not been heard back", "proxy/fleet/words.c",
        "        note_own(fleet, word);",
        "        (void)note_own;",
        "scenario/fleet.py: told again over", "an upstream stays closed at the replica that closed it"),
)
