# SPDX-License-Identifier: Apache-2.0
"""The common way to serve such a model today: FastAPI over peer_torch's fastest form.

WORKLOAD=W1 PRECISION=float64 uvicorn --workers 2 peer_fastapi:app
POST /predict takes {"inputs": [[..]]} and answers {"mean": .., "variance": ..}; POST /npy takes and
answers npy (the mean).
"""

import io
import os

import numpy
import torch
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from peer_torch import Stacked

torch.set_num_threads(int(os.environ.get("TORCH_THREADS", "1")))
DTYPE = torch.float32 if os.environ.get("PRECISION") == "float32" else torch.float64
# The forms that peer_torch finds fastest for one row and for many.
FEW = Stacked(os.environ["WORKLOAD"], DTYPE, "rows")
MANY = Stacked(os.environ["WORKLOAD"], DTYPE, "columns", 4)
app = FastAPI()


class Rows(BaseModel):
    inputs: list[list[float]]


def run(x):
    return (FEW if x.shape[0] < 16 else MANY).predict(x)


@app.post("/predict")
def predict(body: Rows):
    mean, variance = run(torch.tensor(body.inputs, dtype=DTYPE))
    return {"mean": mean.tolist(), "variance": variance.tolist()}


@app.post("/npy")
async def predict_npy(request: Request):
    x = torch.from_numpy(numpy.load(io.BytesIO(await request.body()))).to(DTYPE)
    out = io.BytesIO()
    numpy.save(out, run(x)[0].numpy())
    return Response(out.getvalue(), media_type="application/x-npy")
