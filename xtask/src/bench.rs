//! `./x bench NAME`: our figure and a peer's in one run, from the same bytes.
