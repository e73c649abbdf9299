"""Small requests on ml-1m: one interaction, one user, many at once; latency with the error it costs.

A request is confined to the endpoints of what it forgets, and solved on the interactions that depend on them. What that costs in
accuracy: `errors`.
"""

from collections.abc import Sequence
from dataclasses import replace

import jax
import numpy as np

from experiments.benchmark.errors import errors, references
from experiments.benchmark.figure import Figure, spread
from experiments.benchmark.trained import setup_of, trained_model
from experiments.run.baselines import retrain
from experiments.run.models import ModelName
from experiments.run.trials import seconds_of
from ifru_jax.data import ForgetRequest
from ifru_jax.training import Trained
from ifru_jax.unlearning import IFRUConfig, forget, independent_steps

# The quickest: from the end of the training by four products; where only the ends of a request may move, ten end no nearer
# (`frontier`).
CONFIG = IFRUConfig(scope=(), num_steps=4, follow=False)
# A graph spreads what a row does over most of the data; of that the most important interactions stay: as many as bring the error
# near that of all (`frontier`).
BUDGETS = {"interaction": 4000, "user": 64_000}
REQUESTS = 1000
REFERENCES = 12
BATCH = 64
COMPILATION = "/jax/core/compile/backend_compile_duration"


def config_for(model: ModelName, kind: str = "interaction") -> IFRUConfig:
    """How requests for one interaction or one user are confined."""
    return CONFIG if model == "mf" else replace(CONFIG, max_edges=BUDGETS[kind])


def one_interaction(model: ModelName, layers: int, *, p50_target: float, p99_target: float) -> dict[str, Figure]:
    """Warm milliseconds of one interaction, positives and negatives apart, and compilations over all of them."""
    trained, config = trained_model("ml-1m", model, layers), config_for(model)
    found, compiled = {}, []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: compiled.append(event == COMPILATION))
    count = 0.0
    for kind in ("positive", "negative"):
        requests = random_interactions(trained, REQUESTS // 2, positive=kind == "positive")
        compiled.clear()
        milliseconds = latencies(trained, requests, config)
        count += sum(compiled)
        facts = errors(trained, references(trained, requests[:REFERENCES]), config)
        for name, share, target in (("p50", 50, p50_target), ("p99", 99, p99_target)):
            value = float(np.percentile(milliseconds, share))
            found[f"-{kind}-{name}"] = Figure(value, target, "ms", spread(milliseconds), "none", facts, True)
    found["-compilations"] = Figure(count, 8, "compilations", (count, count), f"{REQUESTS} requests", {}, True)
    return found


def one_user(model: ModelName, layers: int, *, target: float, requests: int = 60) -> dict[str, Figure]:
    """One user with all interactions, against the fastest retraining, timed in the same run."""
    setup, trained, config = setup_of("ml-1m", model, layers), trained_model("ml-1m", model, layers), config_for(model, "user")
    asked = random_users(trained, requests)
    milliseconds = latencies(trained, asked, config)
    choice = setup.params.fastest
    retrain(setup, trained, 0, choice=choice, epochs=1)
    _, report = retrain(setup, trained, 0, choice=choice)
    ratio = 1e3 * report.seconds["total"] / milliseconds
    details = {"seconds.ours": float(np.median(milliseconds)) / 1e3, "seconds.baseline": report.seconds["total"]}
    details |= errors(trained, references(trained, asked[:REFERENCES]), config)
    return {"": Figure.of(ratio, target, "times faster", "fastest retraining", details)}


def growth(large: str, model: ModelName, layers: int, *, target: float, requests: int = 200) -> dict[str, Figure]:
    """Median latency of one interaction on a large data set in units of that on ml-100k; with the errors on both."""
    milliseconds, details = {}, {}
    for data in ("ml-100k", large):
        trained = trained_model(data, model, layers)
        asked = random_interactions(trained, requests, positive=True)
        milliseconds[data] = latencies(trained, asked, config_for(model))
        found = errors(trained, references(trained, asked[:REFERENCES]), config_for(model))
        details |= {f"milliseconds.{data}": float(np.median(milliseconds[data]))}
        details |= {f"{name}.{data}": value for name, value in found.items()}
    ratio = milliseconds[large] / details["milliseconds.ml-100k"]
    return {"": Figure(float(np.median(ratio)), target, "times", spread(ratio), "ml-100k", details, True)}


def batch(model: ModelName, layers: int, *, target: float, repeats: int = 7) -> dict[str, Figure]:
    """Throughput of independent requests in one call, against one by one; steps only, nothing is applied."""
    trained, config = trained_model("ml-1m", model, layers), config_for(model)
    together, apart = [], []
    for repeat in range(repeats + 1):
        requests = random_interactions(trained, BATCH, positive=True, seed=repeat)
        together.append(seconds_of(lambda requests=requests: independent_steps(trained, requests, config=config)))
        one_by_one = (seconds_of(lambda one=one: independent_steps(trained, [one], config=config)) for one in requests)
        apart.append(sum(one_by_one))
    # The first compiles.
    together, apart = np.array(together[1:]), np.array(apart[1:])
    details = {"seconds.ours": float(np.median(together)), "seconds.baseline": float(np.median(apart))}
    return {"": Figure.of(apart / together, target, "times the throughput", f"{BATCH} requests one by one", details)}


def random_interactions(trained: Trained, count: int, *, positive: bool, seed: int = 0) -> list[ForgetRequest]:
    """Requests for one interaction each."""
    data = trained.interactions
    among = np.flatnonzero((data.labels > 0.5) == positive)
    places = np.random.default_rng(seed).choice(among, count, replace=False)
    return [ForgetRequest(pairs=np.array([[data.users[z], data.items[z]]])) for z in places]


def random_users(trained: Trained, count: int, *, seed: int = 0) -> list[ForgetRequest]:
    """Requests for one user each, with all interactions."""
    users = np.random.default_rng(seed).choice(np.flatnonzero(trained.interactions.user_degrees()), count, replace=False)
    return [ForgetRequest(users=users[[k]]) for k in range(count)]


def latencies(trained: Trained, requests: Sequence[ForgetRequest], config: IFRUConfig) -> np.ndarray:
    """Milliseconds from each request to parameters that can serve; each bucket is compiled by another request first."""
    for request in requests:
        forget(trained, request, config=config)
        if request is requests[min(len(requests), 200) - 1]:
            break
    return np.array([1e3 * forget(trained, request, config=config)[1].seconds["total"] for request in requests])
