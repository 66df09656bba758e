package engine

// FoldEagerly makes the engine put away whatever can be, as soon as it can.
func (e *Engine) FoldEagerly() { e.folding = foldLimits{kept: 1, atOnce: 1, openDays: 2} }
