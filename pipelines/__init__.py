"""Files, shards, Parquet, Dask and reports. One module a stage."""
