//! What the tests of mi7 share.
