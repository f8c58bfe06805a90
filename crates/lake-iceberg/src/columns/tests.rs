//! Cases of the header's table; the property over random rows is among the integration tests.
