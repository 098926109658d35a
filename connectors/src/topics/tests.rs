//! The embedded log against its promises.
