"""`python -m edge_infer`."""

from edge_infer.commands.root import (main)

main()
