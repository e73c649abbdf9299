import numpy as np
import pytest

from ifru_jax.data import (
    Interactions,
    Split,
    label_noise,
    parse_forget,
    random_interactions,
    read_interactions,
    read_request,
    sample_negatives,
)  # fmt: skip
from ifru_jax.data.forget_sets import label_correction, random_corrections, random_items, random_users
from ifru_jax.errors import DataError, DataWarning


def train_data(num_users=20, num_items=10):
    users, items = np.divmod(np.arange(num_users * num_items), num_items)
    return Interactions.from_arrays(users + 100, [f"i{item}" for item in items], (users + items) % 3 > 0)


def with_negatives():
    data = Interactions.from_arrays(np.repeat(np.arange(20), 3), np.tile(np.arange(12), 5))
    return sample_negatives(Split(data, data.select(slice(0)), data.select(slice(0)))).train  # pyright: ignore


def test_label_noise_flips_the_last_share_and_nothing_else():
    train = train_data()
    noisy, request = label_noise(train, 0.02)
    last = np.arange(200) >= 196
    np.testing.assert_array_equal(noisy.labels != train.labels, last)
    np.testing.assert_array_equal(request.select(noisy), last)
    np.testing.assert_array_equal(noisy.users, train.users)


def test_label_noise_takes_whole_groups():
    train = with_negatives()
    noisy, request = label_noise(train, 1 / len(train))  # the last row is a negative
    flipped = noisy.labels != train.labels
    assert flipped.sum() == 2
    np.testing.assert_array_equal(flipped, request.select(noisy))
    assert noisy.labels[-2:].tolist() == [0, 1]


@pytest.mark.parametrize("share", [1 / 120, 0.1, 0.37])
@pytest.mark.parametrize("train", [train_data(), with_negatives()])
def test_label_correction_sets_the_same_noise_right(train, share):
    noisy, request = label_correction(train, share)
    flipped, forgotten = label_noise(train, share)
    np.testing.assert_array_equal(noisy.labels, flipped.labels)
    np.testing.assert_array_equal(request.touches(noisy), forgotten.select(noisy))
    assert not request.select(noisy).any()
    for name in ("users", "items", "labels"):
        np.testing.assert_array_equal(getattr(request.applied(noisy), name), getattr(train, name))


@pytest.mark.parametrize("spec", ["noise:0.02", "correct:0.02", "interaction:0.02", "user:0.1", "item:0.1"])
@pytest.mark.parametrize("train", [train_data(), with_negatives()])
def test_makers_are_deterministic(spec, train):
    first_train, first = parse_forget(spec)(train)
    second_train, second = parse_forget(spec)(train)
    np.testing.assert_array_equal(first.touches(first_train), second.touches(second_train))
    if not spec.startswith(("noise", "correct")):
        assert first_train is train


def test_shares_are_shares_of_what_is_named():
    train = train_data()
    assert random_interactions(train, 0.05).select(train).sum() == 10
    assert random_corrections(train, 0.05).touches(train).sum() == 10
    assert len(random_users(train, 0.1).users) == 2
    assert len(random_items(train, 0.2).items) == 2
    assert len(random_users(train, 1e-9).users) == 1  # at least one
    assert random_users(train, 0.1, seed=1).users.tolist() != random_users(train, 0.1, seed=2).users.tolist()


def test_random_interactions_of_implicit_data_are_positives():
    train = with_negatives()
    hits = random_interactions(train, 0.1).select(train)
    assert hits.sum() == 12  # 6 of 60 positives, with their negatives
    assert train.labels[hits].sum() == 6


def test_only_rows_with_interactions_are_drawn():
    train = train_data().select(np.arange(30))  # of 3 of the 20 users
    for seed in range(20):
        assert random_users(train, 0.5, seed).users.max() < 3


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_bad_shares(share):
    train = train_data()
    for maker in (label_noise, label_correction, random_corrections, random_interactions, random_users, random_items):
        with pytest.raises(DataError, match="share to forget is"):
            maker(train, share)


def test_label_noise_needs_labels():
    with pytest.raises(DataError, match="needs labels 0 and 1, got 1 … 5: binarize"):
        label_noise(Interactions.from_arrays([0, 1], [0, 1], [1, 5]), 0.5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user,item\n100,i3\n102,i0\n", [3, 20]),
        ("user\n101\n", range(10, 20)),
        ("item\ni4\n", range(4, 200, 10)),
    ],
)
def test_read_request(tmp_path, text, expected):
    path = tmp_path / "request.csv"
    path.write_text(text)
    train = train_data()
    assert np.flatnonzero(read_request(path, train).select(train)).tolist() == list(expected)
    same_train, request = parse_forget(f"file:{path}")(train)
    assert same_train is train
    assert request.select(train).sum() == len(expected)


@pytest.mark.parametrize("column", ["corrected", "new_label", "New_Label"])
def test_a_file_with_new_labels_corrects(tmp_path, column):
    path = tmp_path / "request.csv"
    path.write_text(f"user,item,rating,{column}\n100,i3,1,0.5\n102,i0,0,1\n")
    request = read_request(path, train_data())
    assert repr(request) == "ForgetRequest(0 interactions, 0 users, 0 items, 2 corrected)"
    assert request.corrected.tolist() == [[0, 3], [2, 0]]
    assert request.labels.tolist() == [0.5, 1.0]


def test_a_rating_column_corrects_nothing(tmp_path):
    path = tmp_path / "request.csv"
    path.write_text("user,item,rating,label\n100,i3,1,0\n")
    assert repr(read_request(path, train_data())) == "ForgetRequest(1 interactions, 0 users, 0 items)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", r"needs the columns user and item, or one of them; it has 'a', 'b'"),
        ("user,item\n100,i3\n101,\n", "item of line 3 is missing"),
        ("user,item\n100,i77\n", "item i77 is not in the data"),
        ("user,item\n7,i3\n", "user 7 is not in the data"),
        ("user,corrected\n100,1\n", r"new labels need the columns user and item; it has 'user', 'corrected'"),
        ("user,item,corrected\n100,i3,\n", "new label of line 2 is missing"),
        ("user,item,corrected\n100,i3,good\n", "new label 'good' of line 2 is not a number"),
    ],
)
def test_bad_request_files(tmp_path, text, message):
    path = tmp_path / "request.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_request(path, train_data())
    assert str(path) in str(caught.value)


def test_core_and_edge_are_the_most_and_the_least_active_users():
    rng = np.random.default_rng(0)
    users = rng.choice(20, 300, p=np.arange(1, 21) / 210)
    data = Interactions.from_arrays(users, rng.integers(0, 9, 300), keep_duplicates=True)
    degrees = data.user_degrees()
    for spec, sign in (("core:0.25", -1), ("edge:0.25", 1)):
        _, request = parse_forget(spec)(data)
        expected = np.sort(sign * degrees)[:5] * sign
        assert sorted(degrees[request.users]) == sorted(expected)


@pytest.mark.parametrize("spec", ["", "noise", "noise:", "noise:2", "noise:0", "noise:nan", "users:0.1", "file:", "0.02"])
def test_bad_specs_list_the_valid_forms(spec):
    with pytest.raises(DataError, match=r"noise:SHARE, correct:SHARE, interaction:SHARE, user:SHARE, .* edge:SHARE .* file:PATH"):
        parse_forget(spec)


def test_a_request_is_read_by_the_arguments_of_interactions(tmp_path):
    train = train_data()
    expected = read_written(tmp_path, "user,item\n100,i3\n102,i0\n", train)
    assert expected.pairs.tolist() == [[0, 3], [2, 0]]
    for name, text, options in [
        ("x.dat", "100::i3\n102::i0\n", {"columns": ("user", "item")}),
        ("x.csv", "wer;was\n100;i3\n102;i0\n", {"user": "wer", "item": "was"}),
        ("x.txt", "100 i3\n102 i0\n", {"format": "adjacency"}),
        ("x.jsonl", '{"user_id": 100, "movieId": "i3"}\n{"user_id": "102", "movieId": "i0"}\n', {}),
        ("x.inter", "user_id:token\titem_id:token\n100.0\ti3\n102.0\t i0\n", {}),
    ]:
        np.testing.assert_array_equal(read_written(tmp_path, text, train, name, **options).pairs, expected.pairs)
    path = tmp_path / "x.dat"
    _, request = parse_forget(f"file:{path}", columns=("user", "item"))(train)
    np.testing.assert_array_equal(request.pairs, expected.pairs)


def test_erase_files_of_cure4rec(tmp_path):
    """They list what users had in test, too: that is not in the data, and told."""
    (tmp_path / "train.csv").write_text("uid,iid,val\n0,0,1\n0,6,1\n18,44,1\n18,47,1\n2,44,1\n")
    data = read_interactions(tmp_path / "train.csv")
    text = "uid,iid,val,tag\n18,44,3,885412839\n18,47,4,885412840\n18,60,3,885411840\n"
    with pytest.raises(DataError, match="item 60 is not in the data"):
        read_written(tmp_path, text, data)
    with pytest.warns(DataWarning, match="1 of those that it names are not in the data"):
        request = read_written(tmp_path, text, data, absent="report")
    gone = data.select(request.select(data))
    assert [data.user_ids[user] for user in gone.users] == [18, 18]
    assert [data.item_ids[item] for item in gone.items] == [44, 47]
    with pytest.raises(DataError, match="choose among error, report"):
        read_written(tmp_path, text, data, absent="none")


def read_written(tmp_path, text, data, name="x.csv", **options):
    (tmp_path / name).write_text(text)
    return read_request(tmp_path / name, data, **options)


def test_ids_of_a_request_are_those_of_the_data(tmp_path):
    texts = Interactions.from_arrays(["1", "1.0", "x"], [0, 1, 2])
    for written in ("1", "1.0"):
        request = read_written(tmp_path, f"user\n{written}\n", texts)
        assert texts.user_ids[request.users].tolist() == [written]  # and not whom it would be as a number
    for missing in ("NULL", "", "nan"):
        with pytest.raises(DataError, match="user of line 2 is missing"):
            read_written(tmp_path, f"user,item\n{missing},1\n", texts)
    with pytest.raises(DataError, match="line 2 has a quote that opens a cell"):
        read_written(tmp_path, 'user\n"x\n', texts)


def test_columns_that_a_request_for_users_leaves_are_named(tmp_path):
    with pytest.warns(DataWarning, match="asks for whole users; 'titel' were ignored"):
        request = read_written(tmp_path, "user,titel\n101,i3\n", train_data())
    assert len(request.users) == 1
