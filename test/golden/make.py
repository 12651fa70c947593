"""Makes the golden numbers in this folder, in double precision, with PyTorch 1.13 (Debian's python3-torch):

    /usr/bin/python3 make.py            writes mlp.json, optimizers.json and ops.json beside this file
    /usr/bin/python3 make.py --check    makes them again and fails when a stored number differs by more than 1e-12

Gradients come from torch.autograd and torch.optim makes the steps. The forms that torch has not (the course's momentum,
epsilon inside the root) are written out below in numpy, on torch's gradients. The library is not used here.
"""

import json
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

HERE = pathlib.Path(__file__).parent


def numbers(t):
    """Nested lists; json writes each number with the shortest digits that read back to the same double."""
    return t.detach().numpy().tolist() if isinstance(t, torch.Tensor) else np.asarray(t).tolist()


def generator(seed):
    return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------- optimizers


class Written:
    """An optimizer as its formula: `step(theta, g, t, s)` returns the new theta; s keeps what it remembers."""

    def __init__(self, step, **options):
        self.step_of, self.options, self.memory, self.t = step, options, {}, 0

    def step(self, parameters):
        self.t += 1
        with torch.no_grad():
            for i, p in enumerate(parameters):
                memory = self.memory.setdefault(i, {})
                p.copy_(torch.from_numpy(self.step_of(p.numpy().copy(), p.grad.numpy(), self.t, memory, **self.options)))


class Torch:
    def __init__(self, make, matrices_only=False, **options):
        self.make, self.matrices_only, self.options, self.optimizer = make, matrices_only, options, None

    def step(self, parameters):
        if self.optimizer is None:
            groups = [{"params": parameters}]
            if self.matrices_only:
                vectors = [p for p in parameters if p.dim() <= 1]
                groups = [{"params": [p for p in parameters if p.dim() > 1]}, {"params": vectors, "weight_decay": 0.0}]
            self.optimizer = self.make(groups, **self.options)
        self.optimizer.step()


def course_momentum(theta, g, t, s, lr, beta, nesterov=False):
    s["v"] = beta * s.get("v", 0.0) + (1 - beta) * g
    return theta - lr * (beta * s["v"] + (1 - beta) * g if nesterov else s["v"])


def rmsprop_inside(theta, g, t, s, lr, beta2, eps):
    s["s"] = beta2 * s.get("s", 0.0) + (1 - beta2) * g * g
    return theta - lr * g / np.sqrt(s["s"] + eps)


def adam_inside(theta, g, t, s, lr, beta1, beta2, eps, decay=0.0):
    s["v"] = beta1 * s.get("v", 0.0) + (1 - beta1) * g
    s["s"] = beta2 * s.get("s", 0.0) + (1 - beta2) * g * g
    theta = theta * (1 - lr * decay)
    return theta - lr * (s["v"] / (1 - beta1**t)) / np.sqrt(s["s"] / (1 - beta2**t) + eps)


def adagrad_inside(theta, g, t, s, lr, eps):
    s["s"] = s.get("s", 0.0) + g * g
    return theta - lr * g / np.sqrt(s["s"] + eps)


def optimizers():
    """name -> (how the library makes it, the reference). Epsilons are large where they must be seen to matter."""
    inside = {"value": 1e-3, "inside": True}
    o = torch.optim
    return {
        "sgd": ({"kind": "sgd", "learningRate": 0.1}, Torch(o.SGD, lr=0.1)),
        "momentum": ({"kind": "momentum", "learningRate": 0.2, "beta": 0.9}, Written(course_momentum, lr=0.2, beta=0.9)),
        "momentum, dampening none": (
            {"kind": "momentum", "learningRate": 0.02, "beta": 0.9, "dampening": "none"},
            Torch(o.SGD, lr=0.02, momentum=0.9, dampening=0.0),
        ),
        "nesterov": ({"kind": "nesterov", "learningRate": 0.2, "beta": 0.9}, Written(course_momentum, lr=0.2, beta=0.9, nesterov=True)),
        "nesterov, dampening none": (
            {"kind": "nesterov", "learningRate": 0.02, "beta": 0.9, "dampening": "none"},
            Torch(o.SGD, lr=0.02, momentum=0.9, nesterov=True),
        ),
        "rmsprop": ({"kind": "rmsprop", "learningRate": 0.01, "beta2": 0.99, "epsilon": 1e-8}, Torch(o.RMSprop, lr=0.01, alpha=0.99, eps=1e-8)),
        "rmsprop, epsilon 1e-3": ({"kind": "rmsprop", "learningRate": 0.01, "beta2": 0.9, "epsilon": 1e-3}, Torch(o.RMSprop, lr=0.01, alpha=0.9, eps=1e-3)),
        "rmsprop, epsilon inside": (
            {"kind": "rmsprop", "learningRate": 0.01, "beta2": 0.9, "epsilon": inside},
            Written(rmsprop_inside, lr=0.01, beta2=0.9, eps=1e-3),
        ),
        "adam": ({"kind": "adam", "learningRate": 0.01}, Torch(o.Adam, lr=0.01)),
        "adam, epsilon 1e-3": (
            {"kind": "adam", "learningRate": 0.01, "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-3},
            Torch(o.Adam, lr=0.01, betas=(0.8, 0.99), eps=1e-3),
        ),
        "adam, epsilon inside": ({"kind": "adam", "learningRate": 0.01, "epsilon": inside}, Written(adam_inside, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-3)),
        "adamW": ({"kind": "adamW", "learningRate": 0.01, "weightDecay": 0.1}, Torch(o.AdamW, lr=0.01, weight_decay=0.1)),
        "adamW, epsilon inside": (
            {"kind": "adamW", "learningRate": 0.01, "weightDecay": 0.1, "epsilon": inside},
            Written(adam_inside, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-3, decay=0.1),
        ),
        "adagrad": ({"kind": "adagrad", "learningRate": 0.1, "epsilon": 1e-8}, Torch(o.Adagrad, lr=0.1, eps=1e-8)),
        "adagrad, epsilon inside": ({"kind": "adagrad", "learningRate": 0.1, "epsilon": inside}, Written(adagrad_inside, lr=0.1, eps=1e-3)),
    }


def of_models():
    """In a model biases, gammas and betas do not decay; variables of one's own all do."""
    made = {"kind": "adamW", "learningRate": 0.01, "weightDecay": 0.1}
    return {"adamW, matrices only": (made, Torch(torch.optim.AdamW, matrices_only=True, lr=0.01, weight_decay=0.1))}


# ---------------------------------------------------------------- a network with batch norm, 6-8-5-3

BATCH, SIZES = 16, [6, 8, 5, 3]
EPSILON, KEEP = 1e-5, 0.1  # torch's defaults: epsilon, and the weight of a new batch in the running statistics


def mlp_start():
    g = generator(1)
    p = {}
    for l, (n, k) in enumerate(zip(SIZES, SIZES[1:]), start=1):
        p[f"w{l}"] = torch.randn(n, k, generator=g) * math.sqrt(2 / n)
        if l < 3:  # no bias before a batch norm: it would be cancelled
            p[f"gamma{l}"] = 1 + 0.1 * torch.randn(k, generator=g)
            p[f"beta{l}"] = 0.1 * torch.randn(k, generator=g)
    p["b3"] = 0.1 * torch.randn(SIZES[-1], generator=g)
    x = torch.randn(BATCH, SIZES[0], generator=g) * 1.5 + 0.5
    labels = torch.randint(0, SIZES[-1], (BATCH,), generator=g)
    return {name: v.to(torch.float64) for name, v in p.items()}, x.to(torch.float64), labels


def mlp_forward(p, x, running, training):
    a = x
    for l in (1, 2):
        mean, variance = running[l - 1]
        z = a @ p[f"w{l}"]
        a = torch.relu(F.batch_norm(z, mean, variance, p[f"gamma{l}"], p[f"beta{l}"], training, KEEP, EPSILON))
    return a @ p["w3"] + p["b3"]


def fresh_statistics():
    return [(torch.zeros(k), torch.ones(k)) for k in SIZES[1:3]]


def leaves(p):
    return {name: v.clone().requires_grad_(True) for name, v in p.items()}


def statistics(running):
    return [{"mean": numbers(m), "variance": numbers(v)} for m, v in running]


def mlp():
    start, x, labels = mlp_start()

    p, running = leaves(start), fresh_statistics()
    z1 = x @ p["w1"]
    logits = mlp_forward(p, x, running, True)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    one = {
        "batchMean1": numbers(z1.mean(0)),
        "batchVariance1": numbers(z1.var(0, unbiased=False)),
        "logits": numbers(logits),
        "loss": loss.item(),
        "gradients": {name: numbers(v.grad) for name, v in p.items()},
        "running": statistics(running),
    }

    ten = {}
    for name, (made, reference) in {**optimizers(), **of_models()}.items():
        p, running, losses = leaves(start), fresh_statistics(), []
        for _ in range(10):
            for v in p.values():
                v.grad = None
            loss = F.cross_entropy(mlp_forward(p, x, running, True), labels)
            loss.backward()
            losses.append(loss.item())
            reference.step(list(p.values()))
        ten[name] = {"optimizer": made, "losses": losses, "weights": {k: numbers(v) for k, v in p.items()}}
        if name in ("sgd", "adam") or name in of_models():
            ten[name]["running"] = statistics(running)
            ten[name]["evaluation"] = numbers(mlp_forward(p, x, running, False))

    return {
        "epsilon": EPSILON,
        "keep": KEEP,
        "x": numbers(x),
        "labels": numbers(labels),
        "weights": {k: numbers(v) for k, v in start.items()},
        "oneStep": one,
        "tenSteps": ten,
    }


# ---------------------------------------------------------------- a thousand steps

# cost = mean(softplus(r) + softplus(-r)) with r = x w + b - y, over one of four batches in turn: smooth, and the noise of the
# batches keeps gradients from vanishing, so that a wrong term cannot hide in a converged state.
ROWS, INPUTS, OUTPUTS, PER_BATCH = 40, 4, 5, 10
KEPT_STEPS = [1, 100, 1000]


def regression_start(dtype=torch.float64):
    g = generator(2)
    w = torch.randn(INPUTS, OUTPUTS, generator=g)
    b = torch.randn(OUTPUTS, generator=g)
    x = torch.randn(ROWS, INPUTS, generator=g)
    y = torch.tanh(x @ (2 * torch.randn(INPUTS, OUTPUTS, generator=g))) * 3 + 0.5 * torch.randn(ROWS, OUTPUTS, generator=g)
    return [v.to(dtype) for v in (w, b, x, y)]


def thousand(reference, dtype=torch.float64, nudge=0.0):
    w, b, x, y = regression_start(dtype)
    w, b = (w + nudge).requires_grad_(True), b.clone().requires_grad_(True)
    kept = {}
    for t in range(1, 1001):
        rows = slice(((t - 1) % 4) * PER_BATCH, ((t - 1) % 4 + 1) * PER_BATCH)
        w.grad = b.grad = None
        r = x[rows] @ w + b - y[rows]
        (F.softplus(r, threshold=1e9) + F.softplus(-r, threshold=1e9)).mean().backward()
        reference.step([w, b])
        if t in KEPT_STEPS:
            kept[str(t)] = {"w": numbers(w), "b": numbers(b)}
    return kept


def apart(kept, other):
    """Largest difference over largest value, per parameter, after the last step."""
    last = str(KEPT_STEPS[-1])
    return max(float(np.abs(np.subtract(kept[last][k], other[last][k])).max() / np.abs(kept[last][k]).max()) for k in ("w", "b"))


def thousand_steps():
    w, b, x, y = regression_start()
    out = {}
    for name in optimizers():
        made, reference = optimizers()[name]
        kept = thousand(reference)
        single = thousand(optimizers()[name][1], torch.float32)
        nudged = thousand(optimizers()[name][1], nudge=1e-12)
        out[name] = {
            "optimizer": made,
            "steps": kept,
            # How far the same run in single precision ends, and one whose start was moved by 1e-12: what can be asked of others.
            "singlePrecision": apart(kept, single),
            "movedBy1e-12": apart(kept, nudged),
        }
    return {"w": numbers(w), "b": numbers(b), "x": numbers(x), "y": numbers(y), "perBatch": PER_BATCH, "runs": out}


# ---------------------------------------------------------------- single ops, losses, schedules


def value_and_gradient(f, *inputs):
    xs = [x.clone().requires_grad_(True) for x in inputs]
    y = f(*xs)
    weight = torch.cos(torch.arange(y.numel()).to(y.dtype)).reshape(y.shape)  # an uneven dy, so that sums cannot hide errors
    (y * weight).sum().backward()
    return {"y": numbers(y), "dy": numbers(weight), "gradients": [numbers(x.grad) for x in xs]}


def ops():
    g = generator(3)
    points = torch.cat([torch.linspace(-6, 6, 13), torch.tensor([-0.75, -0.1, 0.1, 0.75, -30.0, 30.0])])
    # torch's softplus is the identity above its threshold; 30 is past the default of 20.
    unary = {
        "relu": torch.relu,
        "leakyRelu": lambda x: F.leaky_relu(x, 0.01),
        "elu": F.elu,
        "gelu": F.gelu,
        "silu": F.silu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "softplus": lambda x: F.softplus(x, threshold=1e9),
    }
    matrix = torch.randn(5, 4, generator=g).to(torch.float64) * 2
    gamma, beta = 1 + 0.3 * torch.randn(4, generator=g), torch.randn(4, generator=g)
    labels = torch.tensor([3, 0, 1, 1, 2])
    soft = torch.softmax(torch.randn(5, 4, generator=g), 1)
    binary = torch.rand(5, 4, generator=g)
    target = torch.randn(5, 4, generator=g) * 2

    losses = {
        "crossEntropy, labels": (lambda x: F.cross_entropy(x, labels), labels),
        "crossEntropy, distributions": (lambda x: F.cross_entropy(x, soft), soft),
        "binaryCrossEntropy": (lambda x: F.binary_cross_entropy_with_logits(x, binary), binary),
        "meanSquaredError": (lambda x: F.mse_loss(x, target), target),
        "meanAbsoluteError": (lambda x: F.l1_loss(x, target), target),
        "huber": (lambda x: F.huber_loss(x, target, delta=1.0), target),
    }

    def schedule(make, steps=12):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        s, rates = make(optimizer), []
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            s.step()
        return rates

    sched = torch.optim.lr_scheduler
    return {
        "points": numbers(points),
        "unary": {name: value_and_gradient(f, points) for name, f in unary.items()},
        "matrix": numbers(matrix),
        "gamma": numbers(gamma),
        "beta": numbers(beta),
        "epsilon": 1e-5,
        "softmax": value_and_gradient(lambda x: torch.softmax(x, 1), matrix),
        "logSoftmax": value_and_gradient(lambda x: torch.log_softmax(x, 1), matrix),
        "layerNorm": value_and_gradient(lambda x, w, b: F.layer_norm(x, (4,), w, b, 1e-5), matrix, gamma, beta),
        "batchNorm": value_and_gradient(lambda x, w, b: F.batch_norm(x, None, None, w, b, True, 0.1, 1e-5), matrix, gamma, beta),
        "losses": {name: {"target": numbers(t), **value_and_gradient(f, matrix)} for name, (f, t) in losses.items()},
        # Rate number i is torch's after i steps of the scheduler; initial 0.5.
        "schedules": {
            "exponential 0.95": schedule(lambda o: sched.ExponentialLR(o, 0.95)),
            "staircase 0.5 every 4": schedule(lambda o: sched.StepLR(o, 4, 0.5)),
            "cosine over 10 to 0.05": schedule(lambda o: sched.CosineAnnealingLR(o, 10, 0.05), 11),
            "piecewise 3: 0.2, 7: 0.04": schedule(lambda o: sched.LambdaLR(o, lambda e: 1 if e < 3 else 0.4 if e < 7 else 0.08)),
        },
    }


# ---------------------------------------------------------------- files


def compact(value, depth=0):
    """JSON with one line per array of numbers."""
    if isinstance(value, dict):
        pad = " " * (depth + 1)
        return "{\n" + ",\n".join(f"{pad}{json.dumps(k)}: {compact(v, depth + 1)}" for k, v in value.items()) + "\n" + " " * depth + "}"
    return json.dumps(value, separators=(",", ":"))


def differences(old, new, path=""):
    if isinstance(new, dict):
        if set(old) != set(new):
            yield f"{path}: other names"
        for k in set(old) & set(new):
            yield from differences(old[k], new[k], f"{path}/{k}")
    elif isinstance(new, list) and new and isinstance(new[0], (list, dict)):
        if len(old) != len(new):
            yield f"{path}: another length"
        for i, (a, b) in enumerate(zip(old, new)):
            yield from differences(a, b, f"{path}/{i}")
    elif isinstance(new, list):
        a, b = np.asarray(old, dtype=float), np.asarray(new, dtype=float)
        if a.shape != b.shape or (a.size and np.abs(a - b).max() > 1e-12 * max(1.0, np.abs(b).max())):
            yield f"{path}: other numbers"
    elif isinstance(new, float):
        if abs(old - new) > 1e-12 * max(1.0, abs(new)) and not path.endswith(("singlePrecision", "movedBy1e-12")):
            yield f"{path}: {old} became {new}"
    elif old != new:
        yield f"{path}: {old} became {new}"


def main():
    failed = False
    for name, make in (("mlp", mlp), ("optimizers", thousand_steps), ("ops", ops)):
        file, content = HERE / f"{name}.json", make()
        if "--check" in sys.argv:
            found = list(differences(json.loads(file.read_text()), content))
            print(f"{file.name}: {len(found)} differences", *found, sep="\n  ")
            failed |= bool(found)
        else:
            file.write_text(compact(content) + "\n")
            print(f"{file.name}: {file.stat().st_size} bytes")
    sys.exit(failed)


if __name__ == "__main__":
    main()
