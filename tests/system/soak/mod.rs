//! Long tests: a tenth of each in the suite, all of it under `make soak`.

mod visibility;
