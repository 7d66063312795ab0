"""`edge-infer bench`: what the runtime itself costs on this computer."""
