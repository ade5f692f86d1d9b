"""The four services as child processes on one data folder: start, watch, stop, find again."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from precordia.client.addresses import PORTS, SERVICES, address_file
from precordia.errors import AlreadyExists, FailedPrecondition

WAVES = (("registry", "ingest"), ("inference", "trainer"))
"""Started together, wave by wave: the second needs the addresses of the first."""

START_S = 180.0
"""How long a service may take until it serves; the first start compiles."""

STOP_S = 30.0
"""How long a service may take to drain before it is killed."""

_POLL_S = 0.05
_TAIL_LINES = 20


@dataclass(frozen=True)
class RunningService:
    """A service that serves."""

    service: str
    address: str
    pid: int


class ServiceDied(FailedPrecondition):
    """A service ended by itself. `log` is the end of what it said since it was started."""

    def __init__(self, message: str, *, service: str, log: str) -> None:
        super().__init__(message, service=service)
        self.log = log


def ports_from(first: int | None) -> Mapping[str, int]:
    """Ports by service: the usual ones, `first` and the three after it, or free ones for 0."""
    if first is None:
        return PORTS
    return {service: first + number if first else 0 for number, service in enumerate(PORTS)}


def service_environment(service: str, home: Path, port: int, peers: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of one service: ours, its home, where it listens, and where its peers are.

    What the environment says already about the service's listening and its peers stays.
    """
    prefix = f"PRECORDIA_{service.upper()}_"
    environment = dict(os.environ) | {"PRECORDIA_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    environment |= {f"PRECORDIA_{peer.upper()}": address for peer, address in (peers or {}).items()}
    environment.setdefault(f"{prefix}LISTEN", f"127.0.0.1:{port}")
    environment.setdefault(f"{prefix}ADDRESS_FILE", str(address_file(service, home)))
    return environment


def log_file(service: str, home: Path) -> Path:
    """Where a service's narration goes."""
    return home / "logs" / f"{service}.log"


class Fleet:
    """Services started by this process. Use it as a context manager: leaving it stops them, unless they are let go."""

    def __init__(self, home: Path, ports: Mapping[str, int], say: Callable[[str], None]) -> None:
        self._home = home
        self._ports = ports
        self._say = say
        self._lock = _Lock(home)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._log_starts: dict[str, int] = {}
        self.running: list[RunningService] = []

    def __enter__(self) -> Fleet:
        try:
            self._lock.take()
        except AlreadyExists:
            self._say_what_lacks()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._lock.release()

    def start(self) -> None:
        """Start all services and wait until each serves.

        Raises:
            ServiceDied: one ended, or did not serve in time.
        """
        for wave in WAVES:
            for service in wave:
                self._spawn(service)
            for service in wave:
                self.running.append(self._wait_until_serving(service))
                self._say(f"{service} serves on {self.running[-1].address}")

    def _say_what_lacks(self) -> None:
        """A fleet that lost a service is started anew as a whole.

        Raises:
            AlreadyExists: some services of this home run, and some do not.
        """
        lacking = [service for service in SERVICES if _own_pid(service, self._home) is None]
        if lacking and len(lacking) < len(SERVICES):
            raise AlreadyExists(
                f"Of the services of this home {', '.join(lacking)} does not run: `precordia down` stops the others, "
                "then `precordia up` starts all of them.",
                name="up",
            ) from None

    def let_go(self) -> None:
        """Leave the services running when this process ends; the lock stays with them."""
        self._children.clear()

    def watch(self) -> None:
        """Wait for ever, or until a service ends by itself.

        Raises:
            ServiceDied: it did.
        """
        while True:
            for service in self._children:
                self._check(service)
            time.sleep(0.5)

    def stop(self) -> None:
        """Drain all services, the dependent ones first."""
        for wave in reversed(WAVES):
            alive = {service: self._children[service] for service in wave if service in self._children}
            for child in alive.values():
                child.terminate()
            for service, child in alive.items():
                self._reap(service, child)
        self._children.clear()

    def _spawn(self, service: str) -> None:
        log = log_file(service, self._home)
        log.parent.mkdir(parents=True, exist_ok=True)
        address_file(service, self._home).unlink(missing_ok=True)
        peers = {one.service: one.address for one in self.running}
        with log.open("ab") as sink:
            self._log_starts[service] = sink.tell()
            child = subprocess.Popen(
                [sys.executable, "-m", f"services.{service}"],
                env=service_environment(service, self._home, self._ports[service], peers),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,  # Ctrl-C is ours; the services are drained in order
                pass_fds=(self._lock.descriptor,),
            )
        _pid_file(service, self._home).write_text(json.dumps({"pid": child.pid}), "utf-8")
        self._children[service] = child

    def _wait_until_serving(self, service: str) -> RunningService:
        child = self._children[service]
        give_up = time.monotonic() + START_S
        while time.monotonic() < give_up:
            found = read_running(service, self._home)
            if found is not None and found.pid == child.pid:
                return found
            self._check(service)
            time.sleep(_POLL_S)
        raise self._died(service, f"did not serve within {START_S:.0f} s")

    def _check(self, service: str) -> None:
        status = self._children[service].poll()
        if status is not None:
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise self._died(service, f"ended with {how}")

    def _died(self, service: str, how: str) -> ServiceDied:
        log = log_tail(service, self._home, since=self._log_starts[service])
        return ServiceDied(f"{service} {how}; the others are stopped.", service=service, log=log)

    def _reap(self, service: str, child: subprocess.Popen[bytes]) -> None:
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._say(f"{service} did not drain within {STOP_S:.0f} s and was killed.")
            child.kill()
            child.wait()
        _forget(service, self._home)


def read_running(service: str, home: Path) -> RunningService | None:
    """What a service wrote about itself; None where it wrote nothing (it is not serving)."""
    try:
        value = json.loads(address_file(service, home).read_text("utf-8"))
        return RunningService(service, str(value["address"]), int(value["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def log_tail(service: str, home: Path, since: int = 0) -> str:
    """The last lines of a service's log, from byte `since` on."""
    try:
        with log_file(service, home).open("rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - 16_384))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return "  (no log)"
    return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])


def stop_detached(home: Path, say: Callable[[str], None]) -> list[str]:
    """Drain the services that another `up` left running; gives their names."""
    stopped: list[str] = []
    for wave in reversed(WAVES):
        pids = {service: pid for service in wave if (pid := _own_pid(service, home))}
        for pid in pids.values():
            _signal(pid, signal.SIGTERM)
        for service, pid in pids.items():
            if not _gone(service, pid, STOP_S):
                say(f"{service} did not drain within {STOP_S:.0f} s and was killed.")
                _signal(pid, signal.SIGKILL)
                _gone(service, pid, 5.0)
            _forget(service, home)
            stopped.append(service)
    return stopped


def _pid_file(service: str, home: Path) -> Path:
    return home / "run" / f"{service}.pid"


def _forget(service: str, home: Path) -> None:
    """Remove what says that a service runs; one that was killed leaves it behind."""
    _pid_file(service, home).unlink(missing_ok=True)
    address_file(service, home).unlink(missing_ok=True)


def _own_pid(service: str, home: Path) -> int | None:
    """The pid of a service that runs on this home; never that of a stranger who got the number since."""
    for pid in _noted_pids(service, home):
        if _is_service(service, pid):
            return pid
    return None


def _noted_pids(service: str, home: Path) -> Iterator[int]:
    for file in (_pid_file(service, home), address_file(service, home)):
        try:
            yield int(json.loads(file.read_text("utf-8"))["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _is_service(service: str, pid: int) -> bool:
    return f"services.{service}" in _command_line(pid).split()


def _command_line(pid: int) -> str:
    """A process's command line; empty where there is no such process (a zombie has none)."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            return ""
    asked = subprocess.run(
        ["/bin/ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False, timeout=10
    )
    return asked.stdout.strip()


def _gone(service: str, pid: int, within_s: float) -> bool:
    give_up = time.monotonic() + within_s
    while _is_service(service, pid):
        if time.monotonic() > give_up:
            return False
        time.sleep(_POLL_S)
    return True


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


class _Lock:
    """One set of services a home. Children inherit the lock, so that it lives as long as any of them."""

    def __init__(self, home: Path) -> None:
        self._path = home / "run" / "up.lock"
        self.descriptor = -1

    def take(self) -> None:
        """Take it.

        Raises:
            AlreadyExists: services run on this home.
            FailedPrecondition: the home cannot be written to.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FailedPrecondition(f"The home folder cannot be used: {error.strerror}.") from None
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            raise AlreadyExists(
                "Services run on this home already: see `precordia status`, or stop them with `precordia down`.",
                name="up",
            ) from None

    def release(self) -> None:
        """Let go of our hold; children that live keep theirs."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


__all__ = [
    "SERVICES",
    "Fleet",
    "RunningService",
    "ServiceDied",
    "log_tail",
    "ports_from",
    "read_running",
    "service_environment",
    "stop_detached",
]
