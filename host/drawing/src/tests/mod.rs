//! The forms of some drawings, compared with files, and what has to hold of all.

mod flows;
mod golden;
mod properties;
