-- Takes background jobs away, with what waits.
SET LOCAL lock_timeout = '2s';

DROP TABLE operator_actions;
DROP TABLE job_schedule;
DROP TABLE job_control;
DROP TABLE job_result;
DROP TABLE job_dead;
DROP TABLE job;
DROP TABLE job_worker;
