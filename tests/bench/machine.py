"""The machine: which cores to use, what a process used of them, and the facts that belong to a figure."""

import glob
import os
import platform
import resource
import subprocess

_TICKS = os.sysconf("SC_CLK_TCK")


def choose_cores(allowed, siblings):
    """(core of the proxy, cores of everything else) of the allowed ones.

    `siblings` maps a core to the cores that share its execution units. Where enough remain, the proxy's are left idle.
    The proxy gets the last core: the first ones serve more interrupts.
    """
    if len(allowed) < 2:
        raise ValueError("the benchmark needs two cores: one for the proxy alone, one for the rest")
    proxy = max(allowed)
    others = sorted(set(allowed) - {proxy})
    apart = [core for core in others if core not in siblings.get(proxy, ())]
    return proxy, apart if len(apart) >= 2 else others


def core_siblings():
    """{core: the cores it shares execution units with}."""
    found = {}
    for path in glob.glob("/sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list"):
        core = int(path.split("/")[5].removeprefix("cpu"))
        found[core] = _core_list(_read(path)) - {core}
    return found


def raise_file_limit():
    """Raises the soft limit of open files as far as needed here; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = 40000 if hard == resource.RLIM_INFINITY else min(hard, 40000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


class CpuReading:
    """What all threads of a process have used so far, in nanoseconds and, split, in clock ticks."""

    def __init__(self, pid):
        self.run_ns = self.wait_ns = 0
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            run, wait, _ = _read(path, needed=True).split()
            self.run_ns += int(run)
            self.wait_ns += int(wait)
        fields = _read(f"/proc/{pid}/stat", needed=True).rpartition(")")[2].split()
        self.user_s, self.system_s = int(fields[11]) / _TICKS, int(fields[12]) / _TICKS

    def since(self, earlier):
        """(run seconds, seconds spent runnable but waiting for the core, user share of the run time)."""
        user, system = self.user_s - earlier.user_s, self.system_s - earlier.system_s
        return ((self.run_ns - earlier.run_ns) / 1e9, (self.wait_ns - earlier.wait_ns) / 1e9,
                user / (user + system) if user + system else 0.0)


def has_schedstat():
    return os.path.exists("/proc/self/schedstat")


def private_bytes(pid):
    """Resident memory of a process that no file backs: heap, stacks, written data, shared memory."""
    rows = {}
    for line in _read(f"/proc/{pid}/smaps_rollup", needed=True).splitlines()[1:]:
        name, _, rest = line.partition(":")
        rows[name] = int(rest.split()[0])
    return (rows["Anonymous"] + rows.get("Pss_Shmem", 0)) << 10


def facts(proxy_core, other_cores):
    model = [line.partition(":")[2].strip() for line in _read("/proc/cpuinfo").splitlines()
             if line.startswith("model name")]
    return {
        "processor": model[0] if model else platform.machine(),
        "cores": os.cpu_count(),
        "proxy_core": proxy_core,
        "other_cores": other_cores,
        "virtual": " hypervisor" in _read("/proc/cpuinfo"),
        "memory_kib": int(_read("/proc/meminfo").split()[1]),
        "kernel": platform.release(),
        "transparent_hugepages": _read("/sys/kernel/mm/transparent_hugepage/enabled").strip(),
        "governor": _read(f"/sys/devices/system/cpu/cpu{proxy_core}/cpufreq/scaling_governor").strip(),
        "load_average": os.getloadavg(),
    }


def says(*argv):
    """The first line a program prints, on either output; what it exits with does not matter."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=20, check=False)
    return done.stdout.partition("\n")[0].strip()


def _core_list(text):
    cores = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cores |= set(range(int(first), int(last or first) + 1))
    return cores


def _read(path, needed=False):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        if needed:
            raise
        return ""
