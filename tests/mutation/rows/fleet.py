"""What members of a fleet share."""

from row import Row

ROWS = (
)
