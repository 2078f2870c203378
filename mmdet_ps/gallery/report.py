"""What an indexing run has done."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Broken:
    """A source of which something could not be read.

    Attributes:
        source: Its name.
        reason: What is wrong; the rest of the source is in the gallery.
        lost: Whether nothing of it could be read.
    """

    source: str
    reason: str
    lost: bool = False


@dataclass
class AddReport:
    """What `Gallery.add` has done.

    Example:
        >>> report = gallery.add('videos/')
        >>> print(report)
        3 sources, 1240 pictures, 5210 people in 84 s; 2 unchanged
        >>> for broken in report.broken:
        ...     print(broken.source, broken.reason)

    Attributes:
        sources: Sources that are in the gallery now and were not before, or had changed.
        unchanged: Sources that were passed, as they are in the gallery already.
        pictures: Pictures and frames that the network looked at.
        people: People put into the gallery.
        seconds: How long it took.
        network: Seconds of it in the network.
        broken: What could not be read.
        stopped: Whether it ended early, at a signal; the next run goes on from there.
    """

    sources: int = 0
    unchanged: int = 0
    pictures: int = 0
    people: int = 0
    seconds: float = 0.0
    network: float = 0.0
    broken: list[Broken] = field(default_factory=list)
    stopped: bool = False

    def __str__(self) -> str:
        text = (
            f'{self.sources} sources, {self.pictures} pictures, {self.people} people '
            f'in {self.seconds:.0f} s'
        )
        if self.unchanged:
            text += f'; {self.unchanged} unchanged'
        if self.broken:
            text += f'; {len(self.broken)} not read whole'
        return text + ('; stopped' if self.stopped else '')
