"""Tables of anybody, declared or described beside; LightGCN-PyTorch."""

import json
import warnings
from dataclasses import replace

import jax
import numpy as np
import pytest

import ifru_jax
from ifru_jax import DataError, DataWarning, ModelError, TrainConfig
from ifru_jax.interop import Declared, export, from_lightgcn_pytorch, from_tensors, read_lightgcn, snippet
from ifru_jax.interop.containers import read_npz, read_safetensors, read_torch
from ifru_jax.interop.export import parameters
from ifru_jax.interop.negatives import with_negatives
from ifru_jax.interop.recbole import recbole_source
from ifru_jax.models import bias_mf, describe_model, item_bias_mf, neumf
from ifru_jax.training import WithDecay, bce, bpr
from tests.interop.conftest import drawn

_NEUMF = neumf(embedding_size=3, mlp_embedding_size=2, hidden=(4, 3), activation="relu", output_bias=True, init_std=0.3)
MODELS = {
    "mf": (ifru_jax.mf(embedding_size=4), bpr, {}),
    "item bias": (item_bias_mf(embedding_size=4), bpr, {"decay": 0.01}),
    "biases": (bias_mf(embedding_size=4), bce, {"loss": "bce", "reg": 1e-4}),
    "lightgcn": (ifru_jax.lightgcn(num_layers=2, embedding_size=4), bpr, {"layers": 2}),
}


@pytest.fixture(scope="module")
def data():
    """Positives with structure, so that something is learned."""
    found = drawn(count=400)
    alike = (found.users + found.items) % 2 == 0
    return found.select(alike).with_labels(np.ones(alike.sum()))


@pytest.fixture(scope="module", params=MODELS)
def trained(request, data):
    """Parameters after a training here, as another system would have them."""
    model, loss, options = MODELS[request.param]
    drawn_too = with_negatives(data, per_positive=1, popular=False)
    whole = WithDecay(loss, options["decay"]) if "decay" in options else loss
    config = TrainConfig(epochs=150, learning_rate=0.02, batch_size=64, reg=options.get("reg", 0.0), record=0)
    nothing = drawn_too.select(slice(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        split = ifru_jax.Split(drawn_too, nothing, nothing)
        found = ifru_jax.fit(jax.random.key(0), model, split, loss=whole, config=config, progress=False)
    return found, options


def scored(model, count=1000):
    rng = np.random.default_rng(3)
    users, items = rng.integers(40, size=count), rng.integers(25, size=count)
    return users, items, model.score_rows(users, items)


def written(folder, model, declared, *, pad=(0, 0), suffix="safetensors", change=lambda tables: tables):
    safetensors = pytest.importorskip("safetensors.numpy")
    tables = {f"net.{name}": np.asarray(value) for name, value in model.params.items()}
    for name, side in model.model.tables.items():
        front = np.full((pad[side == "item"], *tables[f"net.{name}"].shape[1:]), 0.5, np.float32)
        tables[f"net.{name}"] = np.concatenate([front, tables[f"net.{name}"]])
    tables = change(tables)
    path = folder / f"model.{suffix}"
    if suffix == "npz":
        np.savez(path, **tables, other=np.asarray(3))
    else:
        path.write_bytes(safetensors.save(tables | {"other": np.arange(3)}, metadata={"by": "somebody"}))
    if declared is not None:
        users, items, scores = scored(model)
        described = {"tables": {name: f"net.{name}" for name in model.params}, "pad": pad} | declared
        described["scores"] = {"users": users.tolist(), "items": items.tolist(), "scores": scores.astype(float).tolist()}
        (folder / "model.json").write_text(json.dumps(described))
    return path


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
@pytest.mark.parametrize("pad", [(0, 0), (1, 2)])
def test_in_and_out(tmp_path, trained, data, pad, suffix):
    model, options = trained
    path = written(tmp_path, model, options, pad=pad, suffix=suffix)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        imported, source, evidence = from_tensors(path, data)
    assert evidence.score_error < 1e-5
    assert evidence.stationarity < 0.5
    assert type(imported.loss) is type(model.loss)
    for name, value in model.params.items():
        np.testing.assert_array_equal(imported.params[name], value)
    out = tmp_path / f"out.{suffix}"
    export(imported, out, like=source)
    read = read_npz if suffix == "npz" else lambda of: read_safetensors(of)[0]
    before, after = read(path), read(out)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert (value.dtype, value.tobytes()) == (after[name].dtype, after[name].tobytes())
    if suffix == "safetensors":
        assert path.read_bytes() == out.read_bytes()
    unlearned, _ = ifru_jax.unlearn(imported, users=[3])
    export(unlearned, out, like=source)
    name = "net." + next(name for name, side in model.model.tables.items() if side == "user")
    table, front = read(out)[name], pad[0]
    assert not table[front + 3].any()
    np.testing.assert_array_equal(table[:front], before[name][:front])
    export(unlearned, out, like=source, erased="compact")
    assert len(read(out)[name]) == front + 39


@pytest.fixture
def plain(data, tmp_path):
    """A model of two tables, quickly, and its file."""
    rng = np.random.default_rng(0)
    params = {"user_embedding": rng.normal(size=(40, 4)), "item_embedding": rng.normal(size=(25, 4))}
    model = ifru_jax.Trained.of(ifru_jax.mf(embedding_size=4), params, data)
    return model, tmp_path


WRONG = {
    "a row of nobody that is not declared": ({"pad": (0, 0)}, (1, 0), "41 rows of users and the data 40"),
    "a row of nobody that is none": ({"pad": (1, 1)}, (0, 0), "39 rows of users and the data 40"),
    "tables after propagation": ({"propagated": True}, (0, 0), "after propagation"),
    "another number of layers": ({"layers": 2}, (0, 0), "pairs differ"),
    "ids too few": ({"user_ids": list(range(39))}, (0, 0), "39 user_ids for 40 rows"),
    "a name that is not there": ({"tables": {"user_embedding": "x", "item_embedding": "y"}}, (0, 0), "there is no 'x'"),
    "no table of items": ({"tables": {"user_embedding": "x"}}, (0, 0), "are needed"),
    "warp": ({"loss": "warp"}, (0, 0), "no objective has them"),
    "hinge": ({"loss": "hinge"}, (0, 0), "its gradient jumps"),
    "another loss": ({"loss": "mse"}, (0, 0), "loss is 'mse': choose among bpr"),
    "something unknown": ({"learning_rate": 1}, (0, 0), "says learning_rate, which is not known"),
    "a model and layers": ({"layers": 1, "model": describe_model(_NEUMF)}, (0, 0), "leave one of the two out"),
    "tables of another model": ({"model": describe_model(_NEUMF)}, (0, 0), "lacks .*does not know .*user_embedding"),
    "a model that does not ship": ({"model": {"module": "Mine"}}, (0, 0), "'Mine' does not ship"),
    "places that are not there": (
        {"tables": {"user_embedding": "net.user_embedding[0:3]", "item_embedding": "net.item_embedding"}},
        (0, 0),
        "no places 0 to 3",
    ),
    "another kind": ({"reg": "much"}, (0, 0), "can't be understood"),
    "an id that comes twice": ({"user_ids": [1, *range(1, 40)]}, (0, 0), "name 1 2 times"),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_wrong_variant_is_refused(plain, data, name):
    declared, pad, words = WRONG[name]
    model, folder = plain
    path = written(folder, model, {"pad": pad} | declared, pad=pad)
    with pytest.raises(ifru_jax.IfruError, match=words):
        from_tensors(path, data)


def test_what_can_not_be_declared_is_refused(plain, data):
    _, folder = plain
    for wrong, words in (
        ({"negatives": "x"}, "negatives is 'x'"), ({"negatives": -1}, "negatives -1"), ({"layers": 1.5}, "layers is 1.5"),
        ({"layers": 10**7}, "layers are 0 to 64"), ({"reg": -1}, "reg is -1"), ({"decay": np.nan}, "decay is nan"),
        ({"alpha": 0}, "alpha 0"), ({"pad": (-1, 0)}, "pad is"), ({"pad": 3}, "pad is 3"), ({"model": "mf"}, "model is 'mf'"),
        ({"tables": ["a"]}, "tables are"), ({"loss": None}, "loss is None"), ({"scores": (1, 2)}, "scores is"),
    ):  # fmt: skip
        with pytest.raises(ifru_jax.IfruError, match=words):
            Declared(**wrong)
    for arguments, words in (
        ((None, data), "path is None"), ((folder / "x", data, {}), "declared is"), ((folder / "x", [1]), "interactions is"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=words):
            from_tensors(*arguments)
    with pytest.raises(DataError, match="more than enough"):
        with_negatives(data, per_positive=1001, popular=False)
    with pytest.raises(DataError, match="becomes part of the lines"):
        snippet("recbole", name='a"); import os; ("')


def test_ids_in_another_order_than_the_rows_are_detected(trained, data, tmp_path):
    model, options = trained
    order = np.random.default_rng(0).permutation(40)
    path = written(tmp_path, model, options | {"user_ids": order.tolist()})
    if model.model.num_hops:  # scores depend on who has what
        with pytest.raises(ModelError, match="pairs differ"):
            from_tensors(path, data)
    described = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(described | {"scores": None}))
    with pytest.warns(DataWarning, match=r"in another order|training ended elsewhere"):
        from_tensors(path, data)


def test_biases_that_are_left_out_are_refused(data, tmp_path):
    rng = np.random.default_rng(0)
    params = {
        "user_embedding": rng.normal(size=(40, 4)), "item_embedding": rng.normal(size=(25, 4)), "item_bias": rng.normal(size=25)
    }  # fmt: skip
    model = ifru_jax.Trained.of(item_bias_mf(embedding_size=4), params, data)
    tables = {name: f"net.{name}" for name in ("user_embedding", "item_embedding")}
    with pytest.raises(ModelError, match="biases, and whether the scores are logits"):
        from_tensors(written(tmp_path, model, {"tables": tables}), data)
    alone = tables | {"user_bias": "net.item_bias"}
    with pytest.raises(ModelError, match="declare the others, too"):
        from_tensors(written(tmp_path, model, {"tables": alone}), data)


def test_a_network_of_torch_comes_in_as_it_is_laid_out(data, tmp_path):
    """Kernels as [out, in], one output layer for both parts, a level of one number: as in a state dict of RecBole."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: _NEUMF.init(key, 40, 25), jax.random.key(0))
    params = {name: rng.normal(size=leaf.shape).astype(np.float32) for name, leaf in shapes.items()}
    model = ifru_jax.Trained.of(_NEUMF, params, data)
    pytest.importorskip("safetensors")
    export(model, tmp_path / "a.safetensors", like="recbole")
    found, _ = read_safetensors(tmp_path / "a.safetensors")
    assert {name: table.shape for name, table in found.items()} == {
        "user_mf_embedding.weight": (41, 3), "item_mf_embedding.weight": (26, 3), "user_mlp_embedding.weight": (41, 2),
        "item_mlp_embedding.weight": (26, 2), "mlp_layers.mlp_layers.1.weight": (4, 4), "mlp_layers.mlp_layers.1.bias": (4,),
        "mlp_layers.mlp_layers.4.weight": (3, 4), "mlp_layers.mlp_layers.4.bias": (3,), "predict_layer.weight": (1, 6),
        "predict_layer.bias": (1,),
    }  # fmt: skip
    np.testing.assert_array_equal(found["mlp_layers.mlp_layers.4.weight"], params["tower/kernel_1"].T)
    np.testing.assert_array_equal(found["predict_layer.weight"][0], [*params["gmf_output"], *params["mlp_output"]])
    places = recbole_source(*parameters(model)).places
    span = {None: ""} | {place.span: "[{}:{}]".format(*place.span) for place in places.values() if place.span}
    tables = {name: place.tensor + ".T" * place.transposed + span[place.span] for name, place in places.items()}
    users, items, scores = scored(model)
    (tmp_path / "a.json").write_text(json.dumps({"tables": tables, "model": describe_model(_NEUMF)}))
    assert Declared.read(tmp_path / "a.json").model == _NEUMF
    declared = Declared(tables, _NEUMF, loss="bce", pad=(1, 1), scores=(users, items, scores))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # drawn, not trained
        imported, source, evidence = from_tensors(tmp_path / "a.safetensors", data, declared)
    assert evidence.score_error < 1e-6
    for like in (source, "recbole"):
        export(imported, tmp_path / "b.safetensors", like=like)
        again, _ = read_safetensors(tmp_path / "b.safetensors")
        assert {n: (t.shape, t.tobytes()) for n, t in again.items()} == {n: (t.shape, t.tobytes()) for n, t in found.items()}


def test_half_precision_goes_out_as_it_came(plain, data):
    model, folder = plain
    path = written(folder, model, None, change=lambda tables: {name: t.astype(np.float16) for name, t in tables.items()})
    declared = Declared({name: f"net.{name}" for name in model.params})
    with pytest.warns(DataWarning):  # drawn, not trained
        imported, source, _ = from_tensors(path, data, declared)
    export(imported, folder / "out.safetensors", like=source)
    assert path.read_bytes() == (folder / "out.safetensors").read_bytes()


def test_the_file_may_hold_the_interactions(trained, data, tmp_path):
    model, options = trained
    rows = {"train/users": data.users, "train/items": data.items}
    ids = {"user_ids": [f"u{k}" for k in range(40)], "item_ids": [f"i{k}" for k in range(25)]}
    imported = from_tensors(written(tmp_path, model, options | ids, change=lambda tables: tables | rows)).model
    found = ifru_jax.interop.evidence.positives(imported.interactions)
    assert {*zip(found.users.tolist(), found.items.tolist(), strict=True)} == {
        *zip(data.users.tolist(), data.items.tolist(), strict=True)
    }
    assert found.user_ids[7] == "u7"
    with pytest.raises(DataError, match="the file has no interactions"):
        from_tensors(written(tmp_path, model, options))


def test_negatives_are_no_positives(data):
    for popular in (True, False):
        found = with_negatives(data, per_positive=3, popular=popular)
        positive = {*zip(data.users.tolist(), data.items.tolist(), strict=True)}
        negative = found.select(found.labels < 0.5)
        assert not positive & {*zip(negative.users.tolist(), negative.items.tolist(), strict=True)}
        assert len(found) == 4 * len(data)
        assert len(np.unique(found.groups)) == len(data)
        for group in np.unique(found.groups)[::50]:
            members = found.groups == group
            assert len(np.unique(found.users[members])) == 1
            assert found.labels[members].sum() == 1
    counts = np.bincount(with_negatives(data, per_positive=50, popular=True).select(slice(None)).items, minlength=25)
    assert np.corrcoef(counts, data.item_degrees())[0, 1] > 0.5
    with pytest.raises(DataError, match="at least one negative"):
        with_negatives(data, per_positive=0, popular=True)
    everything = ifru_jax.Interactions(np.zeros(3, int), np.arange(3), np.ones(3), 1, 3)
    with pytest.raises(DataError, match="have nearly every item"):
        with_negatives(everything, per_positive=1, popular=False)


def lightgcn_folder(folder, data):
    lines = [f"{user} " + " ".join(map(str, data.items[data.users == user])) for user in range(40)]
    (folder / "train.txt").write_text("\n".join(lines) + "\n")
    (folder / "user_list.txt").write_text("org_id remap_id\n" + "".join(f"A{k}B {k}\n" for k in range(40)))
    (folder / "item_list.txt").write_text("org_id remap_id\n" + "".join(f"{900 + k} {k}\n" for k in range(25)))
    return folder


def test_data_of_lightgcn(tmp_path, data):
    found = read_lightgcn(lightgcn_folder(tmp_path, data))
    assert len(found) == len(data)
    assert (found.num_users, found.num_items) == (40, 25)
    assert found.user_ids[3] == "A3B"
    assert found.item_ids[3] == 903
    (tmp_path / "user_list.txt").unlink()
    assert read_lightgcn(tmp_path).user_ids is None
    (tmp_path / "item_list.txt").write_text("org_id remap_id\nx 0\ny 2\n")
    with pytest.raises(DataError, match="without a gap"):
        read_lightgcn(tmp_path)
    (tmp_path / "train.txt").write_text("0 1 2\n1 x\n")
    with pytest.raises(DataError, match="line 2 of"):
        read_lightgcn(tmp_path)
    (tmp_path / "train.txt").write_text("")
    with pytest.raises(DataError, match="has no interaction"):
        read_lightgcn(tmp_path)


def test_lightgcn_pytorch(tmp_path, data):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    data = read_lightgcn(lightgcn_folder(tmp_path, data))
    adjacency = torch.zeros(65, 65)
    adjacency[data.users, 40 + data.items] = 1.0
    adjacency = adjacency + adjacency.T
    degrees = adjacency.sum(1).clamp(min=1)
    adjacency = adjacency / (degrees[:, None] * degrees).sqrt()

    class LightGCN(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding_user, self.embedding_item = torch.nn.Embedding(40, 4), torch.nn.Embedding(25, 4)

        def computer(self):
            layers = [torch.cat([self.embedding_user.weight, self.embedding_item.weight])]
            for _ in range(2):
                layers.append(adjacency @ layers[-1])
            return torch.stack(layers).mean(0).split([40, 25])

    net = LightGCN()
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    users, items = torch.tensor(data.users).long(), torch.tensor(data.items).long()
    for _ in range(300):
        negatives = torch.randint(25, items.shape)
        kept = adjacency[users, 40 + negatives] == 0
        p, q = net.computer()
        margin = (p[users] * (q[negatives] - q[items])).sum(1)[kept]
        loss = torch.nn.functional.softplus(margin).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    path = tmp_path / "lgn.pth.tar"
    torch.save(net.state_dict(), path)
    with torch.no_grad():
        p, q = net.computer()
    rng = np.random.default_rng(0)
    who, what = rng.integers(40, size=1000), rng.integers(25, size=1000)
    scores = who, what, (p[who] * q[what]).sum(1).numpy()
    model, source, evidence = from_lightgcn_pytorch(path, data, layers=2, decay=0.0, scores=scores)
    assert evidence.score_error < 1e-5
    export(model, tmp_path / "out.pth.tar", like=source)
    before, after = read_torch(path), read_torch(tmp_path / "out.pth.tar")
    assert list(before) == list(after)
    for name, value in before.items():
        assert value.tobytes() == after[name].tobytes()
    net.load_state_dict(torch.load(tmp_path / "out.pth.tar", weights_only=True))
    unlearned, _ = ifru_jax.unlearn(model, users=["A3B"])
    export(unlearned, tmp_path / "out.pth.tar", like="lightgcn-pytorch")
    assert not read_torch(tmp_path / "out.pth.tar")["embedding_user.weight"][3].any()
    with pytest.raises(ModelError, match="pairs differ"):  # the number of layers is another
        from_lightgcn_pytorch(path, data, layers=3, scores=scores)
    propagated = {"embedding_user.weight": p, "embedding_item.weight": q}
    torch.save(propagated, tmp_path / "propagated.pth")
    with pytest.raises(ModelError, match="pairs differ"):
        from_lightgcn_pytorch(tmp_path / "propagated.pth", data, layers=2, scores=scores)


def test_als_of_anybody_is_exact(data, tmp_path):
    from ifru_jax.exact import ALS, ALSModel

    nothing = data.select(slice(0))
    model = ALS(embedding_size=4, reg=0.2, alpha=2.0).fit(jax.random.key(0), ifru_jax.Split(data, nothing, nothing))
    export(model, tmp_path / "als.safetensors", like="safetensors")
    declared = Declared(loss="als", reg=0.2, alpha=2.0)
    imported, source, evidence = from_tensors(tmp_path / "als.safetensors", data, declared)
    assert isinstance(imported, ALSModel)
    assert evidence.stationarity < 0.01
    export(imported, tmp_path / "out.safetensors", like=source)
    assert (tmp_path / "als.safetensors").read_bytes() == (tmp_path / "out.safetensors").read_bytes()
    with pytest.raises(ModelError, match="two tables, and no layers"):
        from_tensors(tmp_path / "als.safetensors", data, replace(declared, layers=1))
