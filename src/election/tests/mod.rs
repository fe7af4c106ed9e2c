mod model;
mod simulation;
mod situations;
