mod model;
mod run;
mod simulation;
mod situations;
