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
MODEL = Stacked(os.environ["WORKLOAD"], DTYPE, os.environ.get("LAYOUT", "columns"),
                int(os.environ.get("GROUP", "0")) or None)
app = FastAPI()


class Rows(BaseModel):
    inputs: list[list[float]]


@app.post("/predict")
def predict(body: Rows):
    mean, variance = MODEL.predict(torch.tensor(body.inputs, dtype=DTYPE))
    return {"mean": mean.tolist(), "variance": variance.tolist()}


@app.post("/npy")
async def predict_npy(request: Request):
    x = torch.from_numpy(numpy.load(io.BytesIO(await request.body()))).to(DTYPE)
    out = io.BytesIO()
    numpy.save(out, MODEL.predict(x)[0].numpy())
    return Response(out.getvalue(), media_type="application/x-npy")
