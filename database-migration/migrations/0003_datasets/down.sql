-- Takes the record of data versions and start-up runs away.
SET LOCAL lock_timeout = '2s';

DROP TABLE dataset_rows;
DROP TABLE dataset_versions;
DROP TABLE bootstrap_runs;
