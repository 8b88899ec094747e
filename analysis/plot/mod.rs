//! Draws figures: axes and marks in, SVG and PNG out.
//!
//! [`panel`] says what a figure shows, in the units of its data; [`compose`] draws it on a [`canvas`] with [`draw`], where
//! [`scale`] finds ticks and [`font`] sets text as outlines; [`paint`] names the colours, light and dark; [`raster`]
//! makes the PNG from the SVG, so that both show the same.

pub mod canvas;
pub mod compose;
mod draw;
mod font;
pub mod paint;
pub mod panel;
pub mod raster;
pub mod scale;
