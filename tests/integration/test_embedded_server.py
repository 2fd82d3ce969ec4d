"""The embedded server with real processes: who starts it, who shares it, that nothing outlives its users."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import psycopg
import pytest

from headway import embedded
from headway.embedded import accounts, ownership, place
from headway.errors import EmbeddedServerError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="needs root")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

USER = """
import json, os, sys
from pathlib import Path
from headway import embedded
starting = []
lease = embedded.acquire(Path(sys.argv[1]), on_starting=starting.append)
print(json.dumps({"url": lease.url, "started": lease.started, "initialised": lease.initialised,
                  "starting": starting, "server": embedded.status(Path(sys.argv[1])).pid}), flush=True)
sys.stdin.read()
lease.close()
"""

VISITOR = """
import random, sys, time
from pathlib import Path
import psycopg
from headway import embedded
dice = random.Random(int(sys.argv[2]))
for _ in range(6):
    with embedded.acquire(Path(sys.argv[1])) as lease:
        with psycopg.connect(lease.url) as connection:
            connection.execute("INSERT INTO visits VALUES (pg_backend_pid(), pg_postmaster_start_time())")
            time.sleep(dice.random() * 0.05)
            connection.execute("SELECT 1")
    time.sleep(dice.random() * 0.1)
"""


class User:
    """Another process that holds the server of a directory until told to leave."""

    def __init__(self, directory: Path, *, python: str = sys.executable, **options: Any) -> None:
        self.process = subprocess.Popen(
            [python, "-c", USER, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def wait_for_server(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr and self.process.stderr.read()
        facts: dict[str, Any] = json.loads(line)
        return facts

    def has_told(self) -> bool:
        """Whether it has the server and has said so."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 0)
        return bool(ready)

    def leave(self) -> None:
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> str:
        """What it has told by then, unless that was read before."""
        self.process.kill()
        said: str = self.process.communicate(timeout=60)[0]
        return said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()


def nobodys(directory: Path) -> User:
    """A user that is not root, on a Python that it can reach."""
    nobody = accounts.Account("nobody", 65534, 65534)
    pythons = [sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin")]
    python = next((path for path in pythons if path and accounts.reaches(nobody, Path(path))), None)
    packages = [str(Path(embedded.__file__).parents[2]), str(Path(psycopg.__file__).parents[1])]
    if python is None or not all(accounts.reaches(nobody, Path(path)) for path in packages):
        pytest.skip("no Python within the reach of an ordinary user")
    environment = {"PYTHONPATH": ":".join(packages), "PATH": "/usr/bin:/bin"}
    return User(directory, python=python, user=65534, group=65534, extra_groups=[], env=environment)


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.005)


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def parent_of(pid: int) -> int:
    return int(subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, check=True).stdout)


def processes_running(command: str) -> list[int]:
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if command in line]


def wait_until_gone(directory: Path, *pids: int) -> None:
    """No supervisor, no PostgreSQL process of this directory, and none of these."""
    for name in (ownership.SUPERVISOR_LOCK, ownership.SERVER_LOCK):
        wait_until(lambda name=name: not place.is_locked(directory / name), f"{name} free")  # type: ignore[misc]
    for pid in pids:
        wait_until(lambda pid=pid: not alive(pid), f"process {pid} gone")  # type: ignore[misc]


def answer(url: str, query: str = "SELECT 1") -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


@contextmanager
def ended_afterwards(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    with process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def removed_afterwards(directory: Path) -> Iterator[Path]:
    try:
        yield directory
        wait_until_gone(directory)
        assert not embedded.status(directory).running
        server = place.place_of(directory)
        assert not server.run.exists(), "sockets were left behind"
    finally:
        embedded.reset(directory, force=True)
    assert not server.home.exists()


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A short directory that an unprivileged user can reach, too; pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="hw-", dir="/tmp"))  # short, for the sockets
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)  # the server may still be tidying up


@pytest.fixture
def fresh(reachable: Path) -> Iterator[Path]:
    """A directory without data."""
    with removed_afterwards(reachable / ".headway" / "postgres") as directory:
        yield directory


@pytest.fixture(scope="module")
def _initialised() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="hw-", dir="/tmp"))  # as above
    folder.chmod(0o755)
    with removed_afterwards(folder / "postgres") as directory:
        embedded.acquire(directory).close()
        yield directory
    shutil.rmtree(folder)


Seed: TypeAlias = "Callable[[Path], Path]"


@pytest.fixture
def seeded(_initialised: Path) -> Seed:
    """Gives a directory data, in a tenth of the time that initdb takes."""

    def seed(directory: Path) -> Path:
        wait_until_gone(_initialised)
        directory.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(_initialised), str(directory)], check=True)
        return directory

    return seed


@pytest.fixture
def directory(_initialised: Path) -> Iterator[Path]:
    """A directory with data and no server; the test must leave it so."""
    wait_until_gone(_initialised)
    yield _initialised
    wait_until_gone(_initialised)


def test_the_first_acquire_makes_data_and_database_and_serves_vector(fresh: Path) -> None:
    starting: list[bool] = []
    with embedded.acquire(fresh, on_starting=starting.append) as lease:
        assert (lease.started, lease.initialised, starting) == (True, True, [True])
        assert answer(lease.url, "SELECT current_database()") == "app"
        assert answer(lease.url, "SHOW server_encoding") == "UTF8"
        assert answer(lease.url, "SHOW timezone") == "UTC"
        assert answer(lease.url, "SHOW listen_addresses") == ""
        assert answer(lease.url, "SHOW fsync") == "on"
        if lease.binaries.source != "system":
            with psycopg.connect(lease.url) as connection:
                connection.execute("CREATE EXTENSION vector")
        seen = embedded.status(fresh)
        assert (seen.running, seen.users, seen.version) == (True, 1, str(lease.binaries.major))
        assert seen.data_directory == fresh / "data"
        assert seen.url is not None
        assert seen.url == lease.url


def test_a_server_with_data_says_that_it_made_nothing(directory: Path) -> None:
    starting: list[bool] = []
    with embedded.acquire(directory, on_starting=starting.append) as lease:
        assert (lease.started, lease.initialised, starting) == (True, False, [False])


def test_a_second_process_shares_the_server(directory: Path) -> None:
    with embedded.acquire(directory) as lease, User(directory) as user:
        facts = user.wait_for_server()
        assert facts["url"] == lease.url
        assert (facts["started"], facts["starting"]) == (False, [])
        assert embedded.status(directory).users == 2
        user.leave()
        wait_until(lambda: embedded.status(directory).users == 1, "one user")
        assert answer(lease.url) == 1


def test_the_server_ends_with_its_last_user(directory: Path) -> None:
    with User(directory) as first, User(directory) as second:
        server = first.wait_for_server()["server"]
        url = second.wait_for_server()["url"]
        supervisor = parent_of(server)
        first.leave()
        assert answer(url) == 1
        second.leave()
        wait_until_gone(directory, server, supervisor)


def test_a_killed_user_ends_the_server_it_alone_used(directory: Path) -> None:
    with User(directory) as user:
        server = user.wait_for_server()["server"]
        user.kill()
        wait_until_gone(directory, server)


def test_a_user_killed_while_it_starts_the_server_leaves_none(directory: Path) -> None:
    def killed_while_starting() -> bool:
        with User(directory) as user:
            wait_until(  # the start takes a tenth of a second: it may be over before anybody looked
                lambda: place.is_locked(directory / ownership.LOCK) or user.has_told(), "the start has begun"
            )
            told = user.kill()
        wait_until_gone(directory)
        return not told

    wait_until(killed_while_starting, "killed in time")
    with embedded.acquire(directory) as lease:
        assert answer(lease.url) == 1


def test_a_killed_supervisor_takes_the_server_with_it(directory: Path) -> None:
    with User(directory) as user:
        server = user.wait_for_server()["server"]
        os.kill(parent_of(server), signal.SIGKILL)
        wait_until_gone(directory, server)
    with embedded.acquire(directory) as lease:
        assert lease.started
        assert answer(lease.url) == 1


def test_a_new_user_can_come_the_moment_after_the_supervisor_was_killed(directory: Path) -> None:
    with User(directory) as user:
        server = user.wait_for_server()["server"]
        os.kill(parent_of(server), signal.SIGKILL)
        with embedded.acquire(directory) as lease:
            assert answer(lease.url) == 1
            assert embedded.status(directory).pid != server


def test_data_survive_a_killed_server_and_the_next_acquire_recovers(directory: Path) -> None:
    with embedded.acquire(directory) as lease:
        with psycopg.connect(lease.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            connection.execute("SET LOCAL synchronous_commit = on")
        server = embedded.status(directory).pid
        assert server is not None
        os.kill(server, signal.SIGKILL)
        wait_until_gone(directory, server)
        with embedded.acquire(directory) as again:
            assert again.started
            assert answer(again.url, "SELECT answer FROM kept") == 42


def test_a_killed_initdb_leaves_nothing_half_made(fresh: Path) -> None:
    partial = fresh / "data.partial"
    errors: list[str] = []

    def killed_in_time() -> bool:
        with User(fresh) as user:
            wait_until(lambda: (partial / "PG_VERSION").exists() or user.has_told(), "initdb at work")
            for pid in processes_running(f"initdb -D {partial}"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            errors.append(user.process.communicate(timeout=60)[1])
        if not errors[-1]:  # it was done before anybody looked
            wait_until_gone(fresh)
            embedded.reset(fresh)
        return bool(errors[-1])

    wait_until(killed_in_time, "initdb killed at work")
    assert "initdb was ended by signal 9" in errors[-1]
    assert not (fresh / "data").exists()
    with embedded.acquire(fresh) as lease:
        assert lease.initialised
        assert answer(lease.url) == 1
    assert not partial.exists()


def test_a_stale_pid_file_naming_an_unrelated_process_neither_blocks_nor_hurts(directory: Path) -> None:
    with embedded.acquire(directory) as lease:
        server = embedded.status(directory).pid
        assert server is not None
        pid_file = embedded.status(directory).data_directory / "postmaster.pid"
        os.kill(server, signal.SIGKILL)
        wait_until_gone(directory, server)
        del lease
    # As the service user, so that PostgreSQL itself cannot tell that the process is not its predecessor.
    account = place.place_of(directory).account
    options: dict[str, Any] = {"user": account.uid, "group": account.gid} if account else {}
    with ended_afterwards(subprocess.Popen(["/bin/sleep", "600"], cwd="/", **options)) as bystander:
        lines = pid_file.read_text().split("\n")
        pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]))
        with embedded.acquire(directory) as again:
            assert answer(again.url) == 1
        embedded.stop(directory)
        assert bystander.poll() is None


def test_a_pid_file_cut_short_by_a_crash_does_not_block_the_start(directory: Path) -> None:
    pid_file = embedded.status(directory).data_directory / "postmaster.pid"
    pid_file.touch()
    with embedded.acquire(directory) as lease:
        assert answer(lease.url) == 1


@on_linux
def test_a_server_started_by_hand_on_our_data_is_neither_signalled_nor_disturbed(directory: Path) -> None:
    with embedded.acquire(directory) as lease:
        binaries = lease.binaries
    wait_until_gone(directory)
    data = embedded.status(directory).data_directory
    account = place.place_of(directory).account
    program = place.reachable_binaries(binaries, account) / "bin" / "postgres"
    options: dict[str, Any] = (
        {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    )
    command = [str(program), "-D", str(data), "-c", "listen_addresses=", "-k", str(data)]
    with ended_afterwards(subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)) as by_hand:
        pid_file = data / "postmaster.pid"
        wait_until(lambda: pid_file.exists() and "ready" in pid_file.read_text(), "started by hand")
        with pytest.raises(EmbeddedServerError, match=f"process {by_hand.pid}"):
            embedded.acquire(directory)
        assert by_hand.poll() is None


def test_eight_processes_coming_and_going_never_meet_a_failing_server_nor_two(directory: Path) -> None:
    with embedded.acquire(directory) as lease, psycopg.connect(lease.url) as connection:
        connection.execute("CREATE TABLE visits (backend int, server timestamptz)")
    seed = random.randrange(1 << 30)  # noqa: S311  # chosen anew each time, and told on failure
    visitors = [
        subprocess.Popen(
            [sys.executable, "-c", VISITOR, str(directory), str(seed + number)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    failures = [error for visitor in visitors if (error := visitor.communicate(timeout=300)[1])]
    assert not failures, f"seed {seed}: {failures[0]}"
    with embedded.acquire(directory) as lease:
        assert answer(lease.url, "SELECT count(*) FROM visits") == 48


def test_many_threads_of_one_process_share_one_server(directory: Path) -> None:
    leases: list[embedded.Lease] = []
    threads = [threading.Thread(target=lambda: leases.append(embedded.acquire(directory))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [lease.started for lease in leases].count(True) == 1
    closers = [threading.Thread(target=lease.close) for lease in leases for _ in range(2)]
    for thread in closers:
        thread.start()
    for thread in closers:
        thread.join(60)
    assert all(lease.closed for lease in leases)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_neither_keeps_the_server_nor_ends_its_parents(directory: Path) -> None:
    lease = embedded.acquire(directory)
    server = embedded.status(directory).pid
    assert server is not None
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(writer)
            lease.close()
            os.read(reader, 1)  # until the parent has seen all it wants
        finally:
            os._exit(0)
    os.close(reader)
    try:
        assert answer(lease.url) == 1
        assert embedded.status(directory).users == 1
        lease.close()
        wait_until_gone(directory, server)  # although the child lives
    finally:
        os.close(writer)
        os.waitpid(child, 0)


def test_another_database_is_made_when_missing_whatever_its_name(directory: Path) -> None:
    name = 'a "quoted" name/ü'
    for _ in range(2):
        with embedded.acquire(directory, database=name) as lease:
            assert answer(lease.url, "SELECT current_database()") == name


def test_a_name_no_database_can_have_is_refused_and_leaves_no_hold(directory: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="63 bytes"):
        embedded.acquire(directory, database="x" * 64)


def test_stop_refuses_while_there_are_users_and_says_how_many(directory: Path) -> None:
    assert embedded.stop(directory) is False
    with User(directory) as user:
        server = user.wait_for_server()["server"]
        with pytest.raises(RefusedError, match="1 process uses"):
            embedded.stop(directory)
        with pytest.raises(RefusedError, match="1 process uses"):
            embedded.reset(directory)
        assert embedded.status(directory).running
        assert embedded.stop(directory, force=True) is True
        assert not alive(server)
        assert not embedded.status(directory).running


def test_reset_deletes_what_we_made_and_keeps_what_others_put_there(reachable: Path) -> None:
    directory = reachable / "server"
    directory.mkdir()  # somebody else's, and empty: used, but not deleted
    assert embedded.reset(directory) is False
    with embedded.acquire(directory):
        pass
    (directory / "notes.txt").write_text("mine")
    assert embedded.reset(directory) is True
    assert [entry.name for entry in directory.iterdir()] == ["notes.txt"]
    assert embedded.reset(directory) is False


def test_a_directory_with_other_things_in_it_is_refused_untouched(reachable: Path) -> None:
    (reachable / "thesis.txt").write_text("mine")
    with pytest.raises(RefusedError, match=r"thesis\.txt"):
        embedded.acquire(reachable)
    assert embedded.reset(reachable, force=True) is False
    assert embedded.stop(reachable) is False
    assert [entry.name for entry in reachable.iterdir()] == ["thesis.txt"]


def test_modes_and_owners_of_directories_that_were_there_stay(reachable: Path, seeded: Seed) -> None:
    project = reachable / "a" / "b"
    project.mkdir(parents=True, mode=0o751)
    before = {folder: folder.stat() for folder in (project, *project.parents)}
    directory = project / "server"
    with removed_afterwards(seeded(directory)), embedded.acquire(directory):
        for folder, found in before.items():
            now = folder.stat()
            assert (now.st_mode, now.st_uid, now.st_gid) == (found.st_mode, found.st_uid, found.st_gid)
        assert stat.S_IMODE(directory.stat().st_mode) & 0o066 == 0


def test_a_path_too_long_for_a_socket_works(reachable: Path, seeded: Seed) -> None:
    deep = seeded(reachable / ("a-long-name" * 4) / ("x" * 60) / "server")
    with removed_afterwards(deep), embedded.acquire(deep) as lease:
        assert answer(lease.url) == 1
        run = place.place_of(deep).run
        assert len(str(run)) < 60
        assert stat.S_IMODE(run.stat().st_mode) & 0o066 == 0
        assert stat.S_IMODE((run / "sql").stat().st_mode) == 0o700


def test_spaces_and_commas_and_percents_in_the_path_do_no_harm(reachable: Path, seeded: Seed) -> None:
    odd = seeded(reachable / "a b,c%20&ü" / "s")
    with removed_afterwards(odd), embedded.acquire(odd) as lease:
        assert answer(lease.url) == 1


def test_someone_elses_directory_in_place_of_our_sockets_is_not_used(reachable: Path) -> None:
    deep = reachable / ("x" * 100) / "server"
    run = place.place_of(deep).run
    run.mkdir()
    run.chmod(0o777)
    try:
        with pytest.raises(EmbeddedServerError, match="not a private directory"):
            embedded.acquire(deep)
    finally:
        run.rmdir()
        embedded.reset(deep)


def test_a_server_that_cannot_start_says_why_in_its_own_words(fresh: Path, seeded: Seed) -> None:
    seeded(fresh)
    configuration = fresh / "data" / "postgresql.conf"
    text = configuration.read_text()
    configuration.write_text("no_such_setting = 1\n" + text)
    with pytest.raises(EmbeddedServerError, match="no_such_setting") as caught:
        embedded.acquire(fresh)
    assert "DATABASE_URL" in (caught.value.hint or "")
    configuration.write_text(text)


def test_the_callers_environment_does_not_live_on_in_the_server(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    with embedded.acquire(directory):
        server = embedded.status(directory).pid
        assert server is not None
        assert place.place_of(directory).sockets.joinpath(".s.PGSQL.5432").exists()
        for pid in (server, parent_of(server)) if sys.platform == "linux" else ():
            assert b"s3cret" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_stranger_on_the_control_socket_is_sent_away(directory: Path) -> None:
    with embedded.acquire(directory) as lease, socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(60)
        stranger.connect(str(place.place_of(directory).control))
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert stranger.recv(100) == b""
        assert answer(lease.url) == 1


def test_a_log_grown_big_is_begun_anew(directory: Path) -> None:
    log = directory / "server.log"
    with log.open("ab") as file:
        file.write(b"x" * (5 * 1024 * 1024))
    with embedded.acquire(directory):
        assert log.stat().st_size < 100_000


@as_root
def test_root_under_a_private_parent_gets_a_home_elsewhere_and_reset_removes_it(reachable: Path) -> None:
    reachable.chmod(0o700)
    directory = reachable / ".headway" / "postgres"
    with removed_afterwards(directory):
        with embedded.acquire(directory) as lease:
            assert answer(lease.url) == 1
            home = place.place_of(directory).home
            assert home.parent == Path("/var/lib/headway")
            assert json.loads((directory / place.MARKER).read_text())["home"] == str(home)
            assert stat.S_IMODE(reachable.stat().st_mode) == 0o700
            server = embedded.status(directory).pid
            assert server is not None
            assert Path(f"/proc/{server}").stat().st_uid != 0
        wait_until_gone(directory)


@pytest.mark.slow
@as_root
def test_root_copies_programs_out_of_the_servers_reach_once(
    reachable: Path, seeded: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = reachable / "state"
    state.mkdir(mode=0o711)
    monkeypatch.setattr(place, "_ROOT_STATE", state)
    found = embedded.locate()
    if found.source == "system":
        pytest.skip("the system's programs do not work from elsewhere")
    private = reachable / "private"
    package = private / found.directory.parent.name
    shutil.copytree(found.directory, package / "pg", ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = found.directory.parent.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, private / libraries.name)
    private.chmod(0o700)
    directory = reachable / "server"
    for _ in range(2):
        seeded(directory)
        with removed_afterwards(directory), embedded.acquire(directory, binaries=package / "pg") as lease:
            assert lease.binaries.directory == package / "pg"
            with psycopg.connect(lease.url) as connection:
                connection.execute("CREATE EXTENSION vector")
    copies = [entry for entry in (state / "binaries").iterdir() if entry.is_dir()]
    assert len(copies) == 1
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@as_root
def test_an_ordinary_user_runs_it_as_itself_and_root_is_told_whose_it_is(reachable: Path) -> None:
    project = reachable / "checkout"
    project.mkdir()
    os.chown(project, 65534, 65534)
    directory = project / ".headway" / "postgres"
    with nobodys(directory) as user:
        server = user.wait_for_server()["server"]
        assert Path(f"/proc/{server}").stat().st_uid == 65534
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        with pytest.raises(EmbeddedServerError, match="belongs to user nobody, and this is root"):
            embedded.acquire(directory)
        with pytest.raises(EmbeddedServerError, match="belongs to user nobody"):
            embedded.reset(directory)
        user.leave()
        wait_until(lambda: not alive(server), "server gone")


@as_root
def test_a_directory_that_cannot_be_written_is_an_error_with_the_way_out(reachable: Path) -> None:
    with nobodys(reachable / "server") as user:
        _, error = user.process.communicate(timeout=60)
    assert "EmbeddedServerError" in error
    assert "Permission denied" in error
