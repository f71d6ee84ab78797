"""The order of a start, the watch over what runs, and the order of a stop."""

import time
from collections.abc import Callable
from dataclasses import replace
from signal import SIGHUP, SIGINT, SIGTERM, signal

from sentinel.stack import access, ports, probes
from sentinel.stack.arrival import Arrival, prepare
from sentinel.stack.home import drop_socket_folder, private_folder
from sentinel.stack.ledger import MARK, Ledger, end, find_left
from sentinel.stack.options import Options, check_space
from sentinel.stack.part import Part, State
from sentinel.stack.postgres import Postgres
from sentinel.stack.processes import Child, stop_together, wait_until
from sentinel.stack.programs import Programs
from sentinel.stack.say import Stopwatch, note, say
from sentinel.stack.thishost import enrol
from sentinel.stack.upkeep import Upkeep
from sentinel.stack.valkey import Valkey

LOOK_SECONDS = 0.1


class StopRequestedError(Exception):
    """Ctrl-C or SIGTERM came while the stack was starting."""


class Supervisor:
    """Runs one stack from start to stop. One thread: the kernel ties a child's death signal to it."""

    def __init__(self, options: Options) -> None:
        """Nothing is touched yet."""
        self.options = options
        self.watch = Stopwatch()
        self.upkeep = Upkeep(options.home)
        self.ledger = Ledger(options.home / "run")
        self.arrival: Arrival | None = None
        self.stop_signals = 0
        self.servers: list[Part] = []
        self.programs: list[Part] = []

    def run(self) -> None:
        """The stack ran until it was told to stop, and nothing of it is left."""
        for number in (SIGINT, SIGTERM, SIGHUP):
            signal(number, lambda *_: self.asked_to_stop())
        try:
            self.take_home()
            self.start()
            while not self.stop_signals:
                self.look()
        except StopRequestedError:
            say("Stopped while starting.")
        finally:
            self.stop()
            if self.arrival and self.arrival.password:  # made, and the start did not get to tell it
                say(f"The first person was made: {self.sign_in()}.")

    def asked_to_stop(self) -> None:
        """Counted only: what is half started must not be lost sight of. A second one hurries the stop."""
        self.stop_signals += 1

    def take_home(self) -> None:
        """The folder is ours alone, and what an earlier supervisor left in it has ended."""
        home = private_folder(self.options.home)
        check_space(home)
        for name in ("log", "keys"):
            private_folder(home / name)
        private_folder(home / "run")
        self.ledger.hold()
        say(f"Sentinel in {home}")
        if ended := self.ledger.take_over():
            self.watch.lap("took over", f"ended {ended} processes that an earlier start had left")
        ports.check_free(self.options.bind, self.options.port)

    def start(self) -> None:
        """Everything runs, in the order in which each needs the other, and the address is said."""
        mark = {MARK: self.ledger.instance}
        database_url, owner_url = self.options.database_url, self.options.owner_url
        if not database_url:
            database_url, owner_url = self.start_postgres(mark)
        redis_url = self.options.redis_url or self.start_valkey(mark)
        programs = Programs(
            self.options,
            instance=self.ledger.instance,
            database_url=database_url,
            owner_url=owner_url,
            redis_url=redis_url,
        )
        access.write(self.options.home, programs.env | {"DATABASE_OWNER_URL": owner_url or database_url})
        self.arrival = prepare(programs, self.wait, self.watch)
        self.start_web(programs)
        self.start_host_agent(programs, self.arrival)
        say(f"Ready in {self.watch.total:.1f} s: {self.options.address} - {self.sign_in()}. Ctrl-C stops it.")

    def start_postgres(self, mark: dict[str, str]) -> tuple[str, str]:
        """The embedded database takes connections; the answer is its URL for the services and its owner's."""
        postgres = Postgres(self.options.home, env=mark)
        made = postgres.initialise()
        self.add(self.servers, postgres.child, postgres.ready)
        self.wait(postgres.child, postgres.ready, 120)
        self.watch.lap("postgres", "a new database was made" if made else "")
        return postgres.services_url, postgres.url

    def start_valkey(self, mark: dict[str, str]) -> str:
        """The embedded broker takes commands; the answer is its URL."""
        valkey = Valkey(self.options.home, env=mark)
        self.add(self.servers, valkey.child, valkey.ready)
        self.wait(valkey.child, valkey.ready, 10)
        self.watch.lap("broker")
        return valkey.url

    def start_web(self, programs: Programs) -> None:
        """Pages are served. The worker comes up beside it, beat after it: no page waits for them."""
        web = programs.web()
        ready = probes.answers(self.options.loopback + "/healthz")
        self.add(self.programs, web, ready)
        self.add(self.programs, programs.worker())
        self.wait(web, ready, 120)
        self.add(self.programs, programs.beat())
        self.watch.lap("web", "with worker and beat")

    def start_host_agent(self, programs: Programs, arrival: Arrival) -> None:
        """This machine is under watch, and on the first start the drill plays on it."""
        if not enrol(programs, arrival, self.wait, self.watch):
            return
        self.add(self.programs, programs.host_agent("hostagent", "run", "--allow-drills"))
        drill = self.options.drill if arrival.first else "off"
        if drill != "off":
            self.add(self.programs, programs.host_agent("drill", "drill", drill), once=True)
        self.watch.lap("host agent", "" if drill == "off" else f"and the drill {drill!r}")

    def add(
        self, parts: list[Part], child: Child, ready: Callable[[], bool] | None = None, *, once: bool = False
    ) -> None:
        """The child runs, stands in the record and is watched from now on."""
        part = Part(child, once=once, on_start=self.ledger.record)
        part.ready = ready or part.ready
        part.start()
        parts.append(part)

    def wait(self, child: Child, ready: Callable[[], bool], seconds: float) -> None:
        """`ready` came true; a request to stop ends the wait, and the child that was waited for."""

        def ready_or_stopped() -> bool:
            if self.stop_signals:
                child.stop()
                raise StopRequestedError
            return ready()

        wait_until(ready_or_stopped, child, seconds=seconds)

    def sign_in(self) -> str:
        """How a person signs in; a password that was made just now is told once."""
        if self.arrival is None or not self.arrival.password:
            return f"sign in as {self.arrival.username if self.arrival else 'admin'}"
        told = self.arrival
        self.arrival = replace(told, password="")
        return f"sign in as {told.username} with the password {told.password} (shown this once)"

    def look(self) -> None:
        """One look at every part, at the logs and the disk."""
        for part in (*self.servers, *self.programs):
            part.tend()
        self.upkeep.look()
        time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Programs first, then the broker, then the database; nothing is left, nor in the record."""
        running = [part for part in (*self.servers, *self.programs) if part.state is not State.DONE]
        if running and self.stop_signals:
            note("Stopping ...")
        before, self.stop_signals = time.monotonic(), 0
        stop_together([part.child for part in self.programs], self.hurried)
        for part in reversed(self.servers):
            stop_together([part.child], self.hurried)
        if self.ledger.lock is None:  # the home is another supervisor's, or could not be made
            return
        end(find_left([], self.ledger.instance), grace=1)
        access.remove(self.options.home)
        drop_socket_folder(self.options.home)
        self.ledger.clear()
        if running:
            say(f"Everything has stopped ({time.monotonic() - before:.1f} s).")

    def hurried(self) -> bool:
        """Whether a second request to stop has come."""
        return self.stop_signals > 0
