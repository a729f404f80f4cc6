package hook

// Delivers gives the key under which the live destination is found that the hook sends to, and the gate that its tasks pass. A hook to
// subscribers sends nothing in the run that comes to it, and gives "" for both.
func (n *Node) Delivers() (destination, gate string) {
	if n.audience != nil {
		return "", ""
	}
	return n.key, n.gate
}
