"""`edge-infer bundle`: bundles made of models that somebody brought, shown and checked."""
