"""Every snippet against the package that it is for, where that is installed."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import ifru_jax
from ifru_jax import DataError
from ifru_jax.interop import export, from_tensors, snippet
from ifru_jax.interop.snippets import _HEADS

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("safetensors")
    return tmp_path


def likes(seed=0, groups=4, users=80, items=40, each=10):
    """Pairs (user, item) of original ids: users of a group like the items of theirs."""
    rng = np.random.default_rng(seed)
    pairs = set()
    for user in range(users):
        own = [item for item in range(items) if item % groups == user % groups]
        pairs |= {(user, int(item)) for item in rng.choice(own, min(each, len(own)) - 2, replace=False)}
        pairs |= {(user, int(item)) for item in rng.choice(items, 2)}
    return sorted((f"u{user}", f"i{item}") for user, item in pairs)


def run(system, **given):
    exec(compile(snippet(system), system, "exec"), given)


def comes_in(pairs, *, stationarity, seen=True):
    """What was written is read, is what it was, and forgets."""
    with warnings.catch_warnings():
        warnings.simplefilter("error" if stationarity else "ignore", ifru_jax.DataWarning)
        model, source, evidence = from_tensors("model.safetensors")
    assert evidence.pairs == 1000
    assert evidence.score_error < 1e-5
    assert evidence.auc > 0.7
    assert not stationarity or evidence.stationarity < stationarity
    data = ifru_jax.interop.evidence.positives(model.interactions) if seen else model.interactions
    assert pairs is None or {(data.user_ids[u], data.item_ids[i]) for u, i in zip(data.users, data.items, strict=True)} == set(
        pairs
    )
    export(model, "out.safetensors", like=source)
    whole, again = (ifru_jax.interop.containers.read_safetensors(f"{name}.safetensors")[0] for name in ("model", "out"))
    for name in again:
        assert whole[name].tobytes() == again[name].tobytes()
    unlearned, report = ifru_jax.unlearn(model, users=["u3"])
    assert report.cleared_users == 1
    export(unlearned, "out.safetensors", like=source)
    return source, unlearned


@pytest.mark.parametrize("system", _HEADS)
def test_every_snippet_is_python(system):
    compile(snippet(system, name="x"), system, "exec")
    assert "x.safetensors" in snippet(system, name="x")


def test_a_system_without_a_snippet():
    with pytest.raises(DataError, match="choose among recbole, lenskit"):
        snippet("spark")


def test_cornac(folder):
    cornac = pytest.importorskip("cornac")
    pairs = likes()
    train_set = cornac.data.Dataset.from_uir([(u, i, 1.0) for u, i in pairs], seed=0)
    model = cornac.models.BPR(k=8, max_iter=400, learning_rate=0.05, lambda_reg=0.01, seed=1, num_threads=1).fit(train_set)
    run("cornac", model=model, train_set=train_set)
    comes_in(pairs, stationarity=0.5)


def test_lenskit(folder):
    pytest.importorskip("lenskit")
    import pandas as pd
    from lenskit.als import ImplicitMFScorer
    from lenskit.data import from_interactions_df

    pairs = likes()
    frame = pd.DataFrame(pairs, columns=["user_id", "item_id"])
    data = from_interactions_df(frame)
    model = ImplicitMFScorer(embedding_size=8, epochs=30, regularization=0.5, weight=5)
    model.train(data)
    run("lenskit", model=model, data=data)
    comes_in(pairs, stationarity=0.02)


def test_surprise(folder):
    surprise = pytest.importorskip("surprise")
    import pandas as pd

    pairs = likes()
    rng = np.random.default_rng(0)
    ratings = [2 + 2 * (int(u[1:]) % 4 == int(i[1:]) % 4) + rng.integers(2) for u, i in pairs]
    frame = pd.DataFrame([(u, i, float(r)) for (u, i), r in zip(pairs, ratings, strict=True)])
    trainset = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5))).build_full_trainset()
    model = surprise.SVD(n_factors=8, n_epochs=300, random_state=0)
    model.fit(trainset)
    run("surprise", model=model, trainset=trainset)
    comes_in(pairs, stationarity=0.5, seen=False)


def test_lightfm(folder):
    lightfm = pytest.importorskip("lightfm")
    from lightfm.data import Dataset

    pairs, dataset = likes(), Dataset()
    dataset.fit([u for u, _ in pairs], [i for _, i in pairs])
    interactions, _ = dataset.build_interactions(pairs)
    model = lightfm.LightFM(no_components=8, loss="bpr", random_state=0).fit(interactions, epochs=100)
    run("lightfm", model=model, interactions=interactions, dataset=dataset)
    comes_in(pairs, stationarity=0.5)


@pytest.mark.parametrize("kind", ["BPR", "LightGCN", "NeuMF"])
def test_recbole(folder, monkeypatch, kind):
    pytest.importorskip("recbole")
    import torch

    # Names that it still asks NumPy and SciPy for.
    for name, of in {"bool8": np.bool_, "float_": np.float64, "complex_": np.complex128, "unicode_": np.str_}.items():
        monkeypatch.setattr(np, name, of, raising=False)
    monkeypatch.setattr(scipy.sparse.dok_matrix, "_update", lambda self, of: self._dict.update(of), raising=False)
    from recbole.quick_start import run_recbole

    # Its checkpoints hold a configuration, which newer versions of torch load only when they are told to trust it.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.setattr("sys.argv", ["recbole"])
    Path("data/toy").mkdir(parents=True)
    pairs = likes()
    lines = "".join(f"{user}\t{item}\n" for user, item in pairs)
    Path("data/toy/toy.inter").write_text(f"user_id:token\titem_id:token\n{lines}")
    config = {
        "data_path": "data", "epochs": 60, "embedding_size": 8, "n_layers": 2, "learning_rate": 0.01, "train_batch_size": 256,
        "mf_embedding_size": 8, "mlp_embedding_size": 4, "mlp_hidden_size": [6, 3],
        "load_col": {"inter": ["user_id", "item_id"]}, "use_gpu": False, "checkpoint_dir": "saved", "show_progress": False,
        "eval_args": {"split": {"RS": [0.9, 0.05, 0.05]}, "order": "RO", "mode": "full", "group_by": "user"}, "stopping_step": 100,
    }  # fmt: skip
    run_recbole(model=kind, dataset="toy", config_dict=config)
    (checkpoint,) = Path("saved").glob(f"{kind}*.pth")
    checkpoint.rename("model.pth")
    run("recbole")
    # RecBole split the pairs. What its validation finds best of a LightGCN here is hardly trained, and that is told.
    source, unlearned = comes_in(None, stationarity=0.5 if kind == "BPR" else None)
    tables = {f"{side}_{of}embedding.weight" for side in ("user", "item") for of in (("mf_", "mlp_") if kind == "NeuMF" else ("",))}
    assert set(source.pad) == tables
    export(unlearned, "back.safetensors", like="recbole")
    back = ifru_jax.interop.containers.read_safetensors("back.safetensors")[0]
    state = torch.load("model.pth", weights_only=False)["state_dict"]
    assert {name: value.shape for name, value in back.items()} == {name: tuple(value.shape) for name, value in state.items()}
    for name in tables:
        assert not back[name][0].any()
