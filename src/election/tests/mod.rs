mod model;
mod scoped;
mod simulation;
mod situations;
