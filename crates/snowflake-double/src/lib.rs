//! A Snowflake account that is none: for tests, for the demo, and for dry runs before a real account is touched.
//!
//! It says no where Snowflake says no. What it accepts is judged by the official clients, not by ours alone.
