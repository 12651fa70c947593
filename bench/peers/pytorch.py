"""PyTorch's side of `npm run bench:peers`: answers tasks, one a line of JSON, as bench/child.ts asks them.

Threads come from OMP_NUM_THREADS; which OpenBLAS, which allocator and which vector instructions from the environment too,
so one process is one configuration. With PEER_ONNX set it also writes network (a) there, for other inference libraries.
"""

import gzip
import json
import os
import sys
import time

import numpy
import torch
from torch import nn
from torch.nn import functional

THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
torch.set_num_threads(THREADS)  # what OpenBLAS does is fixed by OPENBLAS_NUM_THREADS: PyTorch does not tell it
torch.manual_seed(1)

# The same lengths as bench/measure.ts and the library's chunks of training steps.
SAMPLE_SECONDS = 0.5e-3
CHUNK_SECONDS = 30e-3
WARM_SECONDS = 0.3


def times(samples, way=None):
    """10th percentile and median of seconds per call."""
    ordered = sorted(samples)
    answer = {"p10": ordered[len(ordered) // 10], "median": ordered[len(ordered) // 2]}
    return {**answer, "way": way} if way else answer


def sample(call, seconds):
    """Seconds per call: samples of several calls each."""

    def timed(calls):
        began = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - began) / calls

    for _ in range(3):
        call()
    calls = 1
    while timed(calls) * calls < SAMPLE_SECONDS:
        calls *= 2
    samples, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples) < 5:
        samples.append(timed(calls))
    return samples


def quickest(ways, seconds):
    """The way of doing it that has the lowest 10th percentile: the peer is compared at its best."""
    answers = [times(sample(call, seconds / len(ways)), way) for way, call in ways.items()]
    return min(answers, key=lambda answer: answer["p10"])


def network(name):
    def hidden(n_in, n_out):
        return [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU(inplace=True), nn.Dropout(0.2)]

    if name == "a":
        return nn.Sequential(*hidden(784, 512), *hidden(512, 256), nn.Linear(256, 10)), 128
    sizes, batch = ([784, 512, 256, 10], 128) if name == "b" else ([784, 64, 10], 32)
    layers = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1]), batch


DATA = {}


def training_data():
    """All rows standardised once, as f32 in one tensor, so that a step only gathers."""
    if not DATA:
        folder = os.environ.get("FASHION_DIR", "/usr/share/datasets/fashion-mnist")

        def read(file, header):
            with gzip.open(f"{folder}/{file}") as stream:
                return numpy.frombuffer(stream.read(), numpy.uint8, offset=header)

        x = torch.from_numpy(read("train-images-idx3-ubyte.gz", 16).reshape(-1, 784).astype(numpy.float32))
        DATA["x"] = (x - x.mean()) / x.std()
        DATA["y"] = torch.from_numpy(read("train-labels-idx1-ubyte.gz", 8).astype(numpy.int64))
    return DATA["x"], DATA["y"]


def train(name, seconds):
    x, y = training_data()
    model, batch = network(name)
    model.train()
    # foreach groups the tensors of an update; without it each tensor is a loop of its own. Neither always wins.
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=os.environ.get("PEER_FOREACH") == "1")
    order, at = torch.randperm(len(x)), 0

    def step():
        nonlocal order, at
        if at + batch > len(x):
            order, at = torch.randperm(len(x)), 0
        rows = order[at : at + batch]
        at += batch
        optimizer.zero_grad(set_to_none=True)  # cheaper than writing zeros
        functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()

    samples, begin = [], time.perf_counter()
    while time.perf_counter() < begin + WARM_SECONDS + seconds or len(samples) < 3:
        chunk, steps = time.perf_counter(), 0
        while time.perf_counter() < chunk + CHUNK_SECONDS:
            step()
            steps += 1
        if chunk > begin + WARM_SECONDS:
            samples.append((time.perf_counter() - chunk) / steps)
    return times(samples)


def infer(rows, seconds):
    model = network("a")[0].eval()
    x = torch.rand(rows, 784)
    frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.script(model)))
    with torch.inference_mode():
        for _ in range(20):  # the first calls of a frozen model compile it
            frozen(x)
        return quickest({"eager": lambda: model(x), "frozen": lambda: frozen(x)}, seconds)


def adam(parameters, seconds):
    ways = {}
    for way, foreach in (("loop", False), ("foreach", True)):
        theta = torch.randn(parameters, requires_grad=True)
        theta.grad = torch.randn_like(theta)
        ways[way] = torch.optim.Adam([theta], lr=1e-3, foreach=foreach).step
    return quickest(ways, seconds)


def batch_norm(rows, columns, seconds):
    layer = nn.BatchNorm1d(columns)
    x, dy = torch.randn(rows, columns, requires_grad=True), torch.randn(rows, columns)

    def both_ways():
        x.grad = None
        layer.zero_grad(set_to_none=True)
        layer(x).backward(dy)

    return times(sample(both_ways, seconds))


def dropout(rows, columns, seconds):
    x = torch.randn(rows, columns)
    return times(sample(lambda: functional.dropout(x, 0.2, True), seconds))


def export(path):
    """Needs no onnx package. Any number of rows."""
    axes = {"x": {0: "rows"}, "y": {0: "rows"}}
    model = network("a")[0].eval()
    torch.onnx.export(model, torch.rand(1, 784), path, input_names=["x"], output_names=["y"], dynamic_axes=axes)


def measure(task):
    kind, seconds = task["kind"], task["seconds"]
    if kind == "training":
        return train(task["net"], seconds)
    if kind == "inference":
        return infer(task["rows"], seconds)
    if kind == "adam":
        return adam(task["parameters"], seconds)
    if kind == "batchNorm":
        return batch_norm(task["rows"], task["columns"], seconds)
    if kind == "dropout":
        return dropout(task["rows"], task["columns"], seconds)
    raise ValueError(f"{kind} is not measured with PyTorch")


if os.environ.get("PEER_ONNX"):
    export(os.environ["PEER_ONNX"])
for line in sys.stdin:
    try:
        found = measure(json.loads(line))
    except Exception as error:  # told, not ended by: the other tasks may go well
        found = {"error": str(error)}
    print("answer " + json.dumps(found), flush=True)
