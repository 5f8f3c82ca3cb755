//! Single values of compose files, each as docker reads it.

pub(crate) mod duration;
pub mod image;
pub(crate) mod ports;
pub(crate) mod scalar;
pub(crate) mod shell_words;
pub(crate) mod size;
pub(crate) mod volumes;
