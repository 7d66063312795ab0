"""`python -m edge_infer`."""

from .cli import main

main()
