import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ps.models.memories import IdentityMemory


class SlowMemory:
    """The sequential rule, a feature at a time."""

    def __init__(self, memory):
        self.table, self.queue = memory.table.clone(), memory.queue.clone()
        self.pointer, self.touched = int(memory.pointer), memory.touched.clone()
        self.momentum, self.normalize = memory.momentum, memory.normalize

    def update(self, feats, pids):
        for x, pid in zip(feats, pids.tolist(), strict=True):
            if pid >= 0:
                row = self.momentum * self.table[pid] + (1 - self.momentum) * x
                self.table[pid] = F.normalize(row, dim=0) if self.normalize else row
                self.touched[pid] = True
            elif len(self.queue):
                self.queue[self.pointer] = x
                self.pointer = (self.pointer + 1) % len(self.queue)


@settings(max_examples=60, deadline=None)
@given(
    pids=st.lists(st.lists(st.integers(-1, 4), max_size=14), min_size=1, max_size=3),
    queue_size=st.integers(0, 5),
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
    normalize=st.booleans(),
    seed=st.integers(0, 100),
)
def test_equals_sequential_rule(pids, queue_size, momentum, normalize, seed):
    generator = torch.Generator().manual_seed(seed)
    memory = IdentityMemory(5, queue_size, 3, momentum, normalize)
    slow = SlowMemory(memory)
    for batch in pids:
        feats = F.normalize(torch.randn(len(batch), 3, generator=generator))
        batch = torch.tensor(batch, dtype=torch.long)
        memory.update(feats, batch)
        slow.update(feats, batch)
    torch.testing.assert_close(memory.table, slow.table)
    torch.testing.assert_close(memory.queue, slow.queue)
    assert memory.pointer == slow.pointer
    assert torch.equal(memory.touched, slow.touched)


def test_by_hand():
    memory = IdentityMemory(2, 2, 2)
    x, y = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    memory.update(torch.stack([x, y, x]), torch.tensor([1, 1, -1]))
    # Half of nothing and half of x, normalised: x. Half of x and half of y, normalised.
    torch.testing.assert_close(memory.table[1], torch.tensor([0.5**0.5, 0.5**0.5]))
    assert memory.table[0].tolist() == [0, 0]
    assert memory.touched.tolist() == [False, True]
    assert memory.queue.tolist() == [[1, 0], [0, 0]]
    assert memory.pointer == 1


def test_unnormalised_rows_keep_their_length():
    memory = IdentityMemory(1, 0, 2, normalize=False)
    memory.update(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    assert memory.table.tolist() == [[0.5, 0.0]]


def test_more_people_than_the_queue_holds():
    """Five into three places, round from the second: the last three stay, in their order."""
    memory = IdentityMemory(1, 3, 1)
    memory.update(torch.tensor([[9.0]]), torch.tensor([-1]))
    memory.update(torch.arange(1.0, 6.0)[:, None], torch.full((5,), -1))
    # Places 1, 2, 0, 1, 2 in turn.
    assert memory.queue.flatten().tolist() == [3, 4, 5]
    assert memory.pointer == 0
    memory.update(torch.tensor([[6.0], [7.0], [8.0], [9.0]]), torch.full((4,), -1))
    assert memory.queue.flatten().tolist() == [9, 7, 8]
    assert memory.pointer == 1


def test_prototypes_are_copies():
    memory = IdentityMemory(2, 2, 2)
    memory.update(torch.eye(2), torch.tensor([0, -1]))
    before = memory.prototypes()
    table, queue = before.table.clone(), before.queue.clone()
    memory.update(-torch.eye(2), torch.tensor([0, -1]))
    memory.update(-torch.eye(2), torch.tensor([-1, 1]))
    assert before.table.equal(table) and before.queue.equal(queue)
    assert not memory.table.equal(table) and not memory.queue.equal(queue)


def test_everything_is_saved():
    memory = IdentityMemory(3, 3, 4)
    memory.update(F.normalize(torch.randn(4, 4)), torch.tensor([0, -1, 2, -1]))
    other = IdentityMemory(3, 3, 4)
    other.load_state_dict(memory.state_dict())
    feats, pids = F.normalize(torch.randn(3, 4)), torch.tensor([0, 1, -1])
    memory.update(feats, pids)
    other.update(feats, pids)
    buffers = dict(other.named_buffers())
    assert set(buffers) == {'table', 'queue', 'pointer', 'touched'}
    for name, buffer in memory.named_buffers():
        assert torch.equal(buffer, buffers[name]), name


def test_momentum_out_of_range():
    with pytest.raises(ValueError, match='momentum=1.5.*0 to 1'):
        IdentityMemory(3, 2, momentum=1.5)
