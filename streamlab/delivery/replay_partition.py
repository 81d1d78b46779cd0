"""A replay's way through one partition of dead letters, chunk by chunk.

    read a page → take what is still dead (script) → send → count (script)

Taking a chunk and remembering it is one script; so a process that is killed anywhere leaves either nothing or a chunk
that the next one finds and sends again, and whoever receives it knows what it has had.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..connection import Connection
from ..errors import StreamlabError, UnknownTopicOrPartitionError
from ..model import TopicPartition
from ..topics import Topics
from .letter_reader import Bounds, Letter, LetterReader
from .letter_states import LetterState, details, state_keys
from .replay_jobs import ReplayJob, ReplayJobs, parse_pending
from .replay_send import ChunkSender, Outgoing
from .replay_spec import UnfitLetterError
from .replay_target import ReplayTarget


class OvertakenError(StreamlabError):
    """Raised when another process went on with the job. This one has to stop; nothing is lost or done twice."""


class PartitionReplay:
    """What one process does with one partition of a job."""

    def __init__(
        self,
        connection: Connection,
        job: ReplayJob,
        place: TopicPartition,
        sender: ChunkSender,
        chunk_letters: int,
    ):
        self._connection = connection
        self._job = job
        self._place = place
        self._sender = sender
        self._chunk_letters = chunk_letters
        topics = Topics(connection)
        self._reader = LetterReader(connection, topics)
        self._target = ReplayTarget(connection, topics, job.spec)
        self._bounds = job.places()[place]
        self.begin()

    def begin(self) -> None:
        """Find out where the job is in this partition: at the start, and whenever an answer was lost."""
        progress = ReplayJobs(self._connection).progress_in(self._job.id, [self._place])[self._place]
        self._chunk, self._pending, self._width = progress.chunk, progress.pending, progress.width
        self._taken_ms = progress.taken_ms or self._connection.server_time_ms()
        left = Bounds(max(self._bounds.start, progress.cursor), self._bounds.end)
        self._pages: Iterator[list[Letter]] = self._reader.forward(self._place, left, self._chunk_letters)
        self.done = left.letters == 0 and not self._pending

    def step(self) -> int:
        """Look at a page and send what is to be sent of it. Returns how many letters were sent.

        Raises OvertakenError, UnknownTopicOrPartitionError, StreamlabError; after an error call begin().
        """
        if not self._pending:
            page = next(self._pages, None)
            if page is None:
                self._take([], self._bounds.end, 0)
                self.done = True
                return 0
            return self._send(self._take_page(page))
        return self.finish_pending()

    def finish_pending(self) -> int:
        """Send what was taken and perhaps not sent. Returns how many letters that were."""
        if not self._pending:
            return 0
        letters = self._reader.at(self._place, self._pending)
        outgoing = []
        for letter in letters:
            number = self._pending[letter.address.offset]
            outgoing.append(Outgoing(letter, number, self._job.spec.record(letter.letter)))
        return self._send(outgoing)

    # -- how ------------------------------------------------------------------------------------------------------

    def _take_page(self, page: list[Letter]) -> list[Outgoing]:
        spec = self._job.spec
        wanted: dict[int, Outgoing] = {}
        unfit = 0
        for letter in page:
            if letter.status.state is not LetterState.DEAD or not spec.filter.takes(letter):
                continue
            try:
                record = spec.record(letter.letter)
                self._target.check(record)
            except UnfitLetterError:
                unfit += 1
                continue
            wanted[letter.address.offset] = Outgoing(letter, letter.next_replay, record)
        taken = self._take(list(wanted.values()), page[-1].address.offset + 1, unfit)
        return [wanted[offset] for offset in taken]

    def _take(self, letters: list[Outgoing], cursor: int, unfit: int) -> dict[int, int]:
        spec = self._job.spec
        args = [
            self._job.id,
            self._chunk,
            cursor,
            unfit,
            self._target.partitions,
            details(by=self._job.by, to=spec.to_in_words),
        ]
        for one in letters:
            args += [one.letter.address.offset, one.number]
        try:
            chunk, width, taken_ms, *taken = self._connection.run(
                "letters/take", state_keys(self._place), args
            )
        except StreamlabError as error:
            if "STALE" in str(error):
                raise OvertakenError(f"Another process has gone on with replay {self._job.id}.") from error
            raise
        self._chunk, self._width, self._taken_ms = int(chunk), int(width), int(taken_ms)
        self._pending = parse_pending(taken)
        return self._pending

    def _send(self, letters: list[Outgoing]) -> int:
        if letters:
            try:
                self._sender.send(self._chunk, self._width, self._place, letters, self._taken_ms)
            except UnknownTopicOrPartitionError:
                self._give_back()
                raise
        sent: int = self._connection.run("letters/sent", state_keys(self._place), [self._job.id, self._chunk])
        self._pending = {}
        return sent

    def _give_back(self) -> None:
        self._connection.run("letters/give_back", state_keys(self._place), [self._job.id, self._chunk])
        self._pending = {}
