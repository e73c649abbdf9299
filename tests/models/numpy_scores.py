"""Scores of every user with every item, written out in NumPy with matrices and loops, for each model that ships."""

import numpy as np


def silu(x):
    return x / (1 + np.exp(-x))


def normalised(counts):
    degrees = counts.sum(1)[:, None] * counts.sum(0)[None, :]
    return counts / np.sqrt(np.where(degrees > 0, degrees, 1))


def bias_mf(p, counts, features):
    return p["global_bias"] + p["user_bias"][:, None] + p["item_bias"] + p["user_embedding"] @ p["item_embedding"].T


def item_bias_mf(p, counts, features):
    return p["item_bias"] + p["user_embedding"] @ p["item_embedding"].T


def gmf(p, counts, features):
    return np.einsum("ud,id,d->ui", p["user_embedding"], p["item_embedding"], p["output"])


def tower(p, users, items):
    """[num_users, num_items, width of the last layer]."""
    shape = (len(users), len(items))
    layer = np.concatenate(
        [np.broadcast_to(users[:, None], (*shape, users.shape[1])), np.broadcast_to(items, (*shape, items.shape[1]))], axis=2
    )
    k = 0
    while f"tower/kernel_{k}" in p:
        layer = silu(layer @ p[f"tower/kernel_{k}"] + p[f"tower/bias_{k}"])
        k += 1
    return layer


def neumf(p, counts, features):
    deep = tower(p, p["mlp_user"], p["mlp_item"]) @ p["mlp_output"]
    return np.einsum("ud,id,d->ui", p["gmf_user"], p["gmf_item"], p["gmf_output"]) + deep + p["output_bias"]


def ngcf(p, counts, features):
    """Eq. 3 and 4: a message from every neighbour, and one to oneself."""
    weights, users, items = normalised(counts), p["user_embedding"], p["item_embedding"]
    layers, k = [(users, items)], 0

    def step(own, others, weights):
        out = np.zeros_like(own)
        for v in range(len(own)):
            total = own[v] @ w1
            for j in range(len(others)):
                total = total + weights[v, j] * (others[j] @ w1 + (others[j] * own[v]) @ w2)
            out[v] = np.where(total > 0, total, 0.2 * total)
        return out

    while f"sum_kernel_{k}" in p:
        w1, w2 = p[f"sum_kernel_{k}"], p[f"product_kernel_{k}"]
        users, items = step(users, items, weights), step(items, users, weights.T)
        layers.append(tuple(x / np.sqrt((x**2).sum(1, keepdims=True) + 1e-12) for x in (users, items)))
        k += 1
    return sum(u @ i.T for u, i in layers)


def simgcl(p, counts, features, num_layers=2):
    weights, users, items = normalised(counts), p["user_embedding"], p["item_embedding"]
    user_sum, item_sum = 0, 0
    for _ in range(num_layers):
        users, items = weights @ items, weights.T @ users
        user_sum, item_sum = user_sum + users / num_layers, item_sum + items / num_layers
    return user_sum @ item_sum.T


def side(p, name, degrees, features):
    """All features of each row of one side: their values x, embeddings v, weights w, and the field each is of."""
    rows = []
    for r in range(len(degrees)):
        level = np.log2(1 + degrees[r])
        low = int(level)
        x = [1.0, 1 - (level - low), level - low]
        v = [p[f"{name}/embedding"][r], *p[f"{name}/degree_embedding"][low : low + 2]]
        w = [p[f"{name}/weight"][r], *p[f"{name}/degree_weight"][low : low + 2]]
        field = [0, 1, 1]
        if features is not None:
            values, widths = features
            x += list(values[r])
            v += list(p[f"{name}/field_embedding"])
            w += list(p[f"{name}/field_weight"])
            field += list(np.repeat(np.arange(len(widths)) + 2, widths))
        rows.append((np.array(x), np.array(v), np.array(w), np.array(field)))
    return rows


def sides(p, counts, features):
    return side(p, "user", counts.sum(1), None), side(p, "item", counts.sum(0), features)


def fm(p, counts, features):
    users, items = sides(p, counts, features)
    scores = np.zeros(counts.shape)
    for u, user in enumerate(users):
        for i, item in enumerate(items):
            x, v, w = (np.concatenate([a, b]) for a, b in zip(user[:3], item[:3], strict=True))
            products = (v * x[:, None]) @ (v * x[:, None]).T
            scores[u, i] = p["global_bias"] + w @ x + np.triu(products, 1).sum()
    return scores


def deepfm(p, counts, features):
    users, items = (
        np.array([[(x[f == k, None] * v[f == k]).sum(0) for k in range(f.max() + 1)] for x, v, _, f in rows])
        for rows in sides(p, counts, features)
    )
    deep = tower(p, users.reshape(len(users), -1), items.reshape(len(items), -1))
    return fm(p, counts, features) + deep @ p["deep_output"]


def multvae(p, counts, features, leave_one_out=True):
    scores = np.zeros(counts.shape)
    for u in range(len(counts)):
        for i in range(counts.shape[1]):
            bag = counts[u].copy()
            if leave_one_out:
                bag[i] = 0
            bag /= max(np.linalg.norm(bag), 1)
            code = np.tanh(bag @ p["encoder_embedding"] + p["encoder_bias"]) @ p["code_kernel"] + p["code_bias"]
            state = np.tanh(code @ p["decoder_kernel"] + p["decoder_bias"])
            scores[u, i] = state @ p["decoder_embedding"][i] + p["item_bias"][i]
    return scores


def layer_norm(p, name, x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-8) * p[f"{name}/scale"] + p[f"{name}/bias"]


def sasrec(p, data, history_length):
    """Each pair with a sequence of its own."""
    scores, half = np.zeros((data.num_users, data.num_items)), history_length // 2
    times = {(u, i): t for u, i, t in zip(data.users, data.items, data.timestamps, strict=True)}
    for u in range(data.num_users):
        liked = data.items[(data.users == u) & (data.labels > 0.5)]
        liked = sorted(liked, key=lambda j: (times[u, j], j))
        for i in range(data.num_items):
            before = [j for j in liked if times[u, j] < times.get((u, i), np.inf)]
            before = before[max(0, len(before) // half - 1) * half :]
            x = np.array([p["start"], *(p["item_embedding"][j] for j in before)])
            x = x + p["position_embedding"][: len(x)]
            k = 0
            while f"block_{k}/query/kernel" in p:
                at = f"block_{k}"
                query = layer_norm(p, f"{at}/attention_norm", x) @ p[f"{at}/query/kernel"]
                logits = query @ (x @ p[f"{at}/key/kernel"]).T / np.sqrt(x.shape[1])
                attended = np.zeros_like(x)
                for q in range(len(x)):
                    weights = np.exp(logits[q, : q + 1])
                    attended[q] = weights / weights.sum() @ (x[: q + 1] @ p[f"{at}/value/kernel"])
                x = x + attended
                hidden = silu(layer_norm(p, f"{at}/layer_norm", x) @ p[f"{at}/hidden/kernel"] + p[f"{at}/hidden/bias"])
                x = x + hidden @ p[f"{at}/out/kernel"] + p[f"{at}/out/bias"]
                k += 1
            scores[u, i] = layer_norm(p, "norm", x)[-1] @ p["item_embedding"][i]
    return scores
