"""What a comparison is about: data, split, forget set, model, objective, hyper-parameters; fixed by the data, not by a seed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from experiments.run.hyperparameters import HyperParameters, hyper_parameters, model_label
from experiments.run.models import LAYERED, ModelName, build_model, with_own_term
from ifru_jax.data import Dataset, ForgetRequest, Interactions, Split, binarize, load_dataset, parse_forget, protocol_split
from ifru_jax.data.forget_sets import random_corrections, random_interactions, random_items, random_users
from ifru_jax.data.groups import leads_group
from ifru_jax.data.reading.options import ReadOptions
from ifru_jax.models import FlaxRecommender, Recommender
from ifru_jax.sparse import capacity_of
from ifru_jax.training import LOSSES, Loss, bce

_AS_IT_IS = ReadOptions()


@dataclass(frozen=True)
class Setup:
    """What is compared, on which data.

    Attributes:
      dataset, model, forget: as they stand in records.
      split: training data as the original model sees it (a label-noise attack included).
      request: what is forgotten; other: a different request of the same kind and size, to compile with.
      params: hyper-parameters.
      build: init_std ↦ model.
      loss: what is trained.
    """

    dataset: str
    model: str
    forget: str
    split: Split
    request: ForgetRequest
    other: ForgetRequest
    params: HyperParameters
    build: Callable[[float], Recommender]
    loss: Loss = bce

    @property
    def digest(self) -> str:
        """Of all data and the request: the same for the same results, on the same machine."""
        columns = [column for part in self.split.parts for column in (part.users, part.items, part.labels)]
        request = self.request
        columns += [request.pairs, request.users, request.items, request.corrected, request.labels]
        return hashlib.sha256(b"".join(np.ascontiguousarray(column).tobytes() for column in columns)).hexdigest()[:16]


def set_up(
    data: str,
    model: ModelName,
    layers: int,
    forget: str,
    *,
    label_above: float | None = None,
    objective: str = "bce",
    reading: ReadOptions = _AS_IT_IS,
    request_reading: ReadOptions = _AS_IT_IS,
) -> Setup:
    """Loads, splits, draws the forget set; all fixed by the data, not by a seed.

    For an objective that compares, ratings become implicit data: the positives, with sampled negatives.

    Args:
      data, model, layers, forget, label_above, objective: see `experiments.compare`.
      reading, request_reading: how files of data and of requests are read.
    """
    layers = layers if model in LAYERED else 0
    loss = LOSSES[objective]()
    dataset = load_dataset(data, **reading)
    if loss.grouped:
        dataset, label_above = _positives(dataset, label_above), None
    split = protocol_split(dataset, label_above=label_above)
    train, request = parse_forget(forget, **request_reading)(split.train)
    request.touches(train)  # refuses a request for everything before any model is trained

    def build(init_std: float) -> FlaxRecommender:
        return build_model(model, layers=layers, init_std=init_std, data=train)

    return Setup(
        dataset=dataset.name,
        model=model_label(model, layers) + ("" if objective == "bce" else f"+{objective}"),
        forget="file" if forget.startswith("file:") else forget,
        split=replace(split, train=train),
        request=request,
        other=_another(train, request),
        # By the name that was given: somebody's own amazon.csv is not the Amazon data that was tuned for.
        # Nothing was tuned for another objective.
        params=hyper_parameters(
            data if objective == "bce" else f"{data} with {objective}", model, layers, objective=objective, interactions=len(train)
        ),
        build=build,
        loss=with_own_term(model, build(1e-2), loss, total=len(train)),
    )


def _positives(dataset: Dataset, label_above: float | None) -> Dataset:
    """The interactions above the threshold, as implicit data."""
    above = dataset.label_above if label_above is None else label_above
    if above is None:
        return dataset

    def chosen(part: Interactions) -> Interactions:
        labelled = binarize(part, above)
        return labelled.select(labelled.labels > 0)

    test = None if dataset.given_test is None else chosen(dataset.given_test)
    return replace(dataset, interactions=chosen(dataset.interactions), label_above=None, given_test=test)


def _another(train: Interactions, request: ForgetRequest) -> ForgetRequest:
    """A different request of the same kind whose interactions fill the same padding bucket."""

    def bucket(of: ForgetRequest) -> int:
        return capacity_of(int(of.touches(train).sum()))

    for seed in range(1, 200):
        if len(request.users):
            other = random_users(train, len(request.users) / train.num_users, seed=seed)
        elif len(request.items):
            other = random_items(train, len(request.items) / train.num_items, seed=seed)
        elif len(request.corrected):
            other = random_corrections(train, len(request.corrected) / len(train), seed=seed)
        else:
            # Of grouped interactions only the first can be named, and each brings its group.
            other = random_interactions(train, len(request.pairs) / int(leads_group(train).sum()), seed=seed)
        if bucket(other) == bucket(request):
            return other
    return request
