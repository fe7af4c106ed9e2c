mod simulation;
mod situations;
