"""For ``torchrun``: train as the command does, then leave each process's weights in a file."""

import os
import sys

import torch

from models.training.train import parse, train

if __name__ == "__main__":
    options = parse(sys.argv[1:])
    torch.set_num_threads(1)
    trainer = train(options)
    weights = {name: p.detach() for name, p in trainer.objective.named_parameters()}
    torch.save(weights, options.out / f"weights{os.environ['RANK']}.pt")
    torch.distributed.destroy_process_group()
