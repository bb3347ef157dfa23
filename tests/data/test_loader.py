"""Batches depend on data set, seed and iteration, and on nothing else."""

import itertools
import random

import numpy as np
import pytest
import torch
from detectron2.data import build_detection_train_loader
from detectron2.data.samplers import (
    RandomSubsetTrainingSampler,
    RepeatFactorTrainingSampler,
    TrainingSampler,
)
from detectron2.utils import comm
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Dataset, IterableDataset

from retina_plugin.data import DataError, build_train_loader, data_fingerprint, named_worker_death
from retina_plugin.data.batches import aspect_groups

DATASET = [{"file_name": f"/data/{i}.png", "image_id": i, "width": 10 + i % 3, "height": 11} for i in range(23)]


def draw_numbers(image):
    """A mapper that augments by all three generators, and reads nothing."""
    numbers = (random.random(), float(np.random.rand()), torch.rand(()).item())
    return {"id": image["image_id"], "numbers": numbers, "wide": image["width"] > image["height"]}


def batches(count=12, start_iter=0, mapper=draw_numbers, **kwargs):
    settings = {"total_batch_size": 4, "seed": 7} | kwargs
    loader = build_train_loader(DATASET, mapper=mapper, **settings)
    loader.start_iter = start_iter
    return list(itertools.islice(loader, count))


@pytest.fixture
def as_process(monkeypatch):
    def become(rank, world_size):
        monkeypatch.setattr(comm, "get_rank", lambda: rank)
        monkeypatch.setattr(comm, "get_world_size", lambda: world_size)

    return become


@pytest.mark.parametrize("num_workers", [1, 2, 4])
def test_workers_do_not_change_batches(num_workers):
    assert batches(num_workers=num_workers) == batches()


@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_share_the_same_batches(world_size, as_process):
    alone, shares = batches(), []
    for rank in range(world_size):
        as_process(rank, world_size)
        shares.append(batches())
    assert [sum(parts, []) for parts in zip(*shares, strict=True)] == alone


@settings(max_examples=20, deadline=None)
@given(start_iter=st.integers(0, 60))
def test_starting_late_gives_what_would_have_come(start_iter):
    assert batches(3, start_iter) == batches(start_iter + 3)[start_iter:]


def test_going_forward_reads_no_image():
    read = []
    batches(1, start_iter=100_000, mapper=lambda image: read.append(image) or image)
    assert len(read) == 4


def test_seeds_and_iterations_differ():
    numbers = [x["numbers"] for batch in batches(20) for x in batch]
    assert len(set(numbers)) == 80
    assert not set(numbers) & {x["numbers"] for batch in batches(20, seed=8) for x in batch}


@pytest.mark.parametrize("aspect_ratio_grouping", [True, False])
def test_order_and_groups_are_those_of_detectron2_without_workers(aspect_ratio_grouping):
    theirs = build_detection_train_loader(
        DATASET,
        mapper=dict,
        sampler=TrainingSampler(len(DATASET), seed=7),
        total_batch_size=4,
        aspect_ratio_grouping=aspect_ratio_grouping,
    )
    expected = [[x["image_id"] for x in batch] for batch in itertools.islice(theirs, 30)]
    ours = batches(30, aspect_ratio_grouping=aspect_ratio_grouping)
    assert [[x["id"] for x in batch] for batch in ours] == expected


def test_a_batch_holds_one_aspect_group():
    assert all(len({x["wide"] for x in batch}) == 1 for batch in batches(40))
    mixed = batches(40, aspect_ratio_grouping=False)
    assert any(len({x["wide"] for x in batch}) == 2 for batch in mixed)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RepeatFactorTrainingSampler(torch.linspace(0.5, 3, len(DATASET)), seed=1),
        lambda: RandomSubsetTrainingSampler(len(DATASET), 0.5, seed_shuffle=1, seed_subset=2),
    ],
)
def test_detectron2_samplers_plug_in(make, as_process):
    alone, shares = batches(sampler=make()), []
    for rank in range(2):
        as_process(rank, 2)
        shares.append(batches(sampler=make(), num_workers=rank))
    assert [sum(parts, []) for parts in zip(*shares, strict=True)] == alone


def test_a_bootstrap_sample_has_as_many_images_and_repeats_some():
    kwargs = dict(aspect_ratio_grouping=False, total_batch_size=len(DATASET))
    all_images, one, again, other = (
        sorted(image["id"] for image in batches(1, resample_seed=seed, **kwargs)[0]) for seed in (None, 0, 0, 1)
    )
    assert all_images == list(range(len(DATASET)))
    assert one == again != other and len(one) == len(DATASET) and len(set(one)) < 0.8 * len(DATASET)


def test_a_bootstrap_sample_of_a_map_style_data_set_is_that_of_a_list():
    class MapStyle(Dataset):
        def __len__(self):
            return len(DATASET)

        def __getitem__(self, index):
            return DATASET[index]

    settings = dict(mapper=draw_numbers, total_batch_size=4, seed=7, resample_seed=3, aspect_ratio_grouping=False)
    ours, theirs = (next(iter(build_train_loader(data, **settings))) for data in (DATASET, MapStyle()))
    assert ours == theirs


def test_a_map_style_data_set_is_not_read_beyond_its_end():
    class Endless(Dataset):
        def __len__(self):
            return len(DATASET)

        def __getitem__(self, index):
            assert index < len(DATASET)
            return DATASET[index]

    assert aspect_groups(Endless()) == aspect_groups(DATASET)


def test_a_sampler_does_not_know_a_bootstrap_sample():
    with pytest.raises(DataError, match="which a sampler does not know"):
        batches(1, resample_seed=0, sampler=TrainingSampler(len(DATASET), seed=0))


def test_samples_differ_in_fingerprint():
    loaders = [build_train_loader(DATASET, mapper=draw_numbers, total_batch_size=4, resample_seed=s) for s in (0, 1)]
    assert loaders[0].fingerprint != loaders[1].fingerprint


def test_the_generators_of_training_are_left_alone():
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    expected = draw_numbers(DATASET[0])
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    batches(3)
    assert draw_numbers(DATASET[0]) == expected


def test_an_unusable_image_is_replaced_by_the_same_other_one():
    def picky(image):
        return None if image["image_id"] % 2 else draw_numbers(image)

    assert batches(mapper=picky, num_workers=2) == batches(mapper=picky)
    assert all(x["id"] % 2 == 0 for batch in batches(mapper=picky) for x in batch)
    with pytest.raises(DataError, match="returned None for 10 images"):
        batches(mapper=lambda image: None)


class Stream(IterableDataset):
    def __iter__(self):
        yield from DATASET


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"dataset": Stream()}, "is iterable-style"),
        ({"total_batch_size": 0}, "total_batch_size=0 cannot be split"),
        ({"sampler": range(5), "aspect_ratio_grouping": False}, "ended after 5 images"),
        ({"dataset": [{"file_name": "a.png", "height": 3}]}, "no 'width'"),
    ],
)
def test_what_cannot_be_loaded_is_named(kwargs, message):
    arguments = {"dataset": DATASET, "mapper": draw_numbers, "total_batch_size": 4, "seed": 0}
    with pytest.raises(DataError, match=message):
        list(build_train_loader(**arguments | kwargs))


def test_a_batch_that_processes_cannot_share_is_refused(as_process):
    as_process(0, 3)
    with pytest.raises(DataError, match="multiple of 3"):
        batches()


def test_the_fingerprint_knows_labels_and_order_but_no_folder():
    image = {"file_name": "/a/1.png", "height": 4, "width": 5}
    found = {"bbox": [0, 1, 2, 3], "category_id": 0, "bbox_mode": 1, "iscrowd": 0}
    first, second = image | {"annotations": [found]}, image | {"file_name": "/a/2.png"}
    known = data_fingerprint([first, second])
    moved = first | {"file_name": "/elsewhere/1.png"}
    assert data_fingerprint([moved, second]) == known
    relabelled = image | {"annotations": [found | {"category_id": 1}]}
    shifted = image | {"annotations": [found | {"bbox": [0, 1, 2, 3.5]}]}
    for other in ([second, first], [first], [relabelled, second], [shifted, second]):
        assert data_fingerprint(other) != known


def test_a_bootstrap_sample_without_an_object_names_the_seed():
    """One image of three has an object: some samples leave it out."""
    box = {"bbox": [0, 0, 1, 1], "category_id": 0}
    data = [DATASET[i] | {"annotations": [box] if i == 0 else []} for i in range(3)]
    without = next(s for s in range(100) if 0 not in np.random.default_rng(s).integers(3, size=3))
    with pytest.raises(DataError, match=f"no image of the bootstrap sample of .*resample_seed={without} has an object"):
        build_train_loader(data, mapper=draw_numbers, total_batch_size=1, resample_seed=without)


def test_an_error_in_a_loading_process_is_the_same_as_without_one():
    def fail(image):
        raise DataError(f"cannot read image {image['file_name']}: it is empty") from OSError("why")

    messages = []
    for num_workers in (0, 1):
        with pytest.raises(DataError) as caught:
            batches(1, mapper=fail, num_workers=num_workers)
        messages.append(str(caught.value))
    assert messages[0] == messages[1] and messages[0].endswith(".png: it is empty")


def test_an_error_of_a_mapper_is_not_the_death_of_its_process():
    def fail(image):
        raise RuntimeError("sizes of tensors must match")

    with pytest.raises(RuntimeError, match="sizes of tensors must match"), named_worker_death():
        batches(1, mapper=fail, num_workers=1)
