//! What the example programs of mi7 share.
