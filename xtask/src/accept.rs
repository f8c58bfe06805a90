//! `./x accept`: the proofs that take longer than a change should wait.
