"""What a row's tensors lie in is not given away while anything lies there, and is used again after."""

from __future__ import annotations

import threading

import pytest
import torch

from cohort.policy import buffers
from cohort.policy.buffers import LEAST_BYTES, empty, kept

LIKE = torch.empty(0)
ROWS, WIDTH = 100, 656  # more than LEAST_BYTES, in half of the rows too


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(buffers, "_blocks", buffers._Blocks())


def test_memory_is_taken_again_once_nothing_lies_there():
    with kept(ROWS):
        first = empty((ROWS, WIDTH), LIKE)
        place = first.data_ptr()
        assert empty((ROWS, WIDTH), LIKE).data_ptr() != place
        del first
        shorter = empty((ROWS - 30, 2, WIDTH // 2), LIKE)
    assert shorter.data_ptr() == place, "of another length and shape, and as wide"


def test_a_part_that_is_still_held_holds_the_whole():
    with kept(ROWS):
        part = empty((ROWS, WIDTH), LIKE).fill_(7.0)[3:5, 1:3].detach()
        empty((ROWS, WIDTH), LIKE).fill_(1.0)
    assert part.eq(7.0).all()


def test_what_autograd_keeps_is_not_given_away():
    with kept(ROWS):
        x = empty((ROWS, WIDTH), LIKE).fill_(3.0).requires_grad_()
        squares = (x * 1.0).square()
        place = squares.grad_fn._saved_self.data_ptr()
        del x
        other = empty((ROWS, WIDTH), LIKE).fill_(0.0)
    assert other.data_ptr() != place
    assert squares.grad_fn._saved_self.eq(3.0).all()


def test_a_longer_row_has_longer_memory():
    with kept(10):
        empty((10, WIDTH * 10), LIKE)
    with kept(ROWS):
        longer = empty((ROWS, WIDTH * 10), LIKE)
        assert longer.untyped_storage().nbytes() == ROWS * WIDTH * 40
    assert buffers._blocks.bytes == ROWS * WIDTH * 40, "the short block is gone"


def test_threads_share_no_memory():
    places = []

    def take():
        with kept(ROWS):
            places.append(empty((ROWS, WIDTH), LIKE).data_ptr())

    take()
    other = threading.Thread(target=take)
    other.start()
    other.join()
    assert places[0] != places[1]


def test_outside_of_a_row_and_of_small_tensors_nothing_is_kept():
    empty((ROWS, WIDTH), LIKE)
    with kept(ROWS):
        empty((2, 2), LIKE)
    assert buffers._blocks.bytes == 0


def test_more_than_is_worth_keeping_is_given_back(monkeypatch):
    monkeypatch.setattr(buffers, "KEPT_BYTES", LEAST_BYTES)
    with kept(ROWS):
        held = empty((ROWS, WIDTH), LIKE).fill_(2.0)
        assert buffers._blocks.bytes > LEAST_BYTES
    assert buffers._blocks.bytes == 0
    assert held.eq(2.0).all()
