package drawing

import (
	"cmp"
	"slices"
)

// Distances of the layout, in pixels.
const (
	boxGap    = 34 // between neighbours of a layer
	lineGap   = 16 // between an edge that passes a layer and its neighbours
	layerGap  = 46 // between layers, at least
	maxGap    = 110
	pillRoom  = 12 // between the ways out of a node
	pillReach = 10 // how far a way's name hangs below its node
)

// layered is a picture whose boxes stand in layers from top to bottom: every edge leads down.
type layered struct {
	boxes  []*cell
	layers [][]*cell
	// chains are the edges, each from its source over the cells by which it passes layers to its target.
	chains []chain
	w, h   float64
}

// cell is a node, or the place where an edge passes a layer.
type cell struct {
	w, h    float64
	x, y    float64 // the middle of the top side
	bottom  float64 // of its layer
	layer   int
	at      int // position in the layer
	passing bool
	ports   []port
	out, in []*segment
}

// port is where edges of one way leave a node.
type port struct {
	name   string
	handle string
	w      float64
	x      float64 // from the middle of the node
}

// segment joins two cells of neighbouring layers.
type segment struct {
	from, to *cell
	port     int // of a node's; -1 of a passing cell
	weight   float64
}

type chain struct {
	edge  int // number in links.edges
	cells []*cell
	port  int
}

func (s *segment) fromX() float64 {
	if s.port < 0 {
		return 0
	}
	return s.from.ports[s.port].x
}

// arrangeCells lays out cells, one for each node, along the links.
func arrangeCells(cells []*cell, l *links) *layered {
	g := &layered{boxes: cells}
	g.rank(l)
	g.connect(l)
	g.fill()
	g.untangle()
	g.placePorts()
	g.spread()
	g.stack()
	return g
}

// rank puts every node one layer below the lowest of those that lead to it; then what has a single way up and none down stays, and a
// node that only leads far down moves near to where it leads, so that no edge is longer than it must be.
func (g *layered) rank(l *links) {
	order := l.order()
	for _, n := range order {
		for _, e := range l.in[n] {
			g.boxes[n].layer = max(g.boxes[n].layer, g.boxes[l.from[e]].layer+1)
		}
	}
	for i := len(order) - 1; i >= 0; i-- {
		n := order[i]
		if len(l.in[n]) > len(l.out[n]) || len(l.out[n]) == 0 || len(l.in[n]) == 0 && len(l.out[n]) > 1 {
			continue
		}
		low := len(order)
		for _, e := range l.out[n] {
			low = min(low, g.boxes[l.to[e]].layer-1)
		}
		if low > g.boxes[n].layer && len(l.in[n]) < len(l.out[n]) {
			g.boxes[n].layer = low
		}
	}
}

// connect makes ports, chains and segments.
func (g *layered) connect(l *links) {
	for e := range l.edges {
		from, to := g.boxes[l.from[e]], g.boxes[l.to[e]]
		c := chain{edge: e, port: from.portOf(way(&l.edges[e]), l.edges[e].Handle), cells: []*cell{from}}
		at := from
		for layer := from.layer + 1; layer < to.layer; layer++ {
			pass := &cell{w: 2, layer: layer, passing: true}
			g.join(at, pass, c.port)
			c.cells = append(c.cells, pass)
			at = pass
		}
		g.join(at, to, c.port)
		c.cells = append(c.cells, to)
		g.chains = append(g.chains, c)
		if len(l.in[l.to[e]]) == 1 && c.port >= 0 && from.ports[c.port].name == "" && to.layer == from.layer+1 {
			to.in[len(to.in)-1].weight = 4 // what simply follows stands straight below
		}
	}
}

func (c *cell) portOf(name, handle string) int {
	for i := range c.ports {
		if c.ports[i].name == name {
			return i
		}
	}
	p := port{name: name, handle: handle, w: 8}
	if name != "" {
		p.w = pillWidth(name)
	}
	c.ports = append(c.ports, p)
	return len(c.ports) - 1
}

func (g *layered) join(from, to *cell, port int) {
	s := &segment{from: from, to: to, port: port, weight: 1}
	if from.passing {
		s.port = -1
	}
	if from.passing || to.passing {
		s.weight = 2
	}
	if from.passing && to.passing {
		s.weight = 8 // a long edge is straight before all else
	}
	from.out, to.in = append(from.out, s), append(to.in, s)
}

// fill puts the cells into their layers in the order in which a walk from the top meets them.
func (g *layered) fill() {
	seen := map[*cell]bool{}
	var walk func(c *cell)
	walk = func(c *cell) {
		if seen[c] {
			return
		}
		seen[c] = true
		for len(g.layers) <= c.layer {
			g.layers = append(g.layers, nil)
		}
		c.at = len(g.layers[c.layer])
		g.layers[c.layer] = append(g.layers[c.layer], c)
		for _, s := range c.out {
			walk(s.to)
		}
	}
	for _, c := range g.boxes {
		if len(c.in) == 0 {
			walk(c)
		}
	}
	for _, c := range g.boxes { // a circle has no top
		walk(c)
	}
}

// sweeps of untangling and spreading: far more than small pictures need, and quick for the largest that may be compiled.
const sweeps = 24

// untangle orders the layers so that few edges cross: by turns each layer is sorted by where its neighbours above, or below, stand; then
// neighbours change places where that helps. The best order that was seen is kept.
func (g *layered) untangle() {
	best, bestCount := g.snapshot(), g.crossings()
	for i := 0; i < sweeps && bestCount > 0; i++ {
		down := i%2 == 0
		for n := range g.layers {
			layer := g.layers[n]
			if !down {
				layer = g.layers[len(g.layers)-1-n]
			}
			sortByNeighbours(layer, down)
		}
		g.swap()
		if count := g.crossings(); count < bestCount {
			best, bestCount = g.snapshot(), count
		}
	}
	for i, layer := range best {
		g.layers[i] = layer
		number(layer)
	}
}

func (g *layered) snapshot() [][]*cell {
	out := make([][]*cell, len(g.layers))
	for i, layer := range g.layers {
		out[i] = slices.Clone(layer)
	}
	return out
}

func number(layer []*cell) {
	for i, c := range layer {
		c.at = i
	}
}

// sortByNeighbours sorts a layer by the median place of the neighbours above or below; what has none keeps its place.
func sortByNeighbours(layer []*cell, above bool) {
	type placed struct {
		c  *cell
		at float64
	}
	list := make([]placed, len(layer))
	for i, c := range layer {
		list[i] = placed{c, float64(c.at)}
		var places []float64
		segments := c.out
		if above {
			segments = c.in
		}
		for _, s := range segments {
			if above {
				places = append(places, s.above())
			} else {
				places = append(places, float64(s.to.at))
			}
		}
		if len(places) == 0 {
			continue
		}
		slices.Sort(places)
		mid := len(places) / 2
		if list[i].at = places[mid]; len(places)%2 == 0 {
			list[i].at = (places[mid-1] + places[mid]) / 2
		}
	}
	slices.SortStableFunc(list, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	for i := range list {
		layer[i] = list[i].c
	}
	number(layer)
}

// above is where a segment comes from: the place of its node, and of the way out among the node's ways.
func (s *segment) above() float64 {
	if s.port < 0 || len(s.from.ports) < 2 {
		return float64(s.from.at)
	}
	return float64(s.from.at) + 0.8*(float64(s.port)/float64(len(s.from.ports)-1)-0.5)
}

// swap changes neighbours where fewer edges cross then.
func (g *layered) swap() {
	for range 4 {
		better := false
		for _, layer := range g.layers {
			for i := 0; i+1 < len(layer); i++ {
				a, b := layer[i], layer[i+1]
				if crossing(a, b) > crossing(b, a) {
					layer[i], layer[i+1] = b, a
					a.at, b.at = i+1, i
					better = true
				}
			}
		}
		if !better {
			return
		}
	}
}

// crossing counts the crossings of the edges of two neighbours, a standing left of b.
func crossing(a, b *cell) int {
	n := 0
	for _, x := range a.in {
		for _, y := range b.in {
			if x.from.at > y.from.at {
				n++
			}
		}
	}
	for _, x := range a.out {
		for _, y := range b.out {
			if x.to.at > y.to.at {
				n++
			}
		}
	}
	return n
}

func (g *layered) crossings() int {
	n := 0
	for _, layer := range g.layers {
		for i := range layer {
			for j := i + 1; j < len(layer); j++ {
				for _, x := range layer[i].out {
					for _, y := range layer[j].out {
						if x.to.at > y.to.at {
							n++
						}
					}
				}
			}
		}
	}
	return n
}

// placePorts puts the ways out of a node into the order of where they lead, next to each other below its middle, and makes the node wide
// enough for them.
func (g *layered) placePorts() {
	for _, c := range g.boxes {
		if len(c.ports) == 0 {
			continue
		}
		sum, count := make([]float64, len(c.ports)), make([]float64, len(c.ports))
		for _, s := range c.out {
			sum[s.port] += float64(s.to.at)
			count[s.port]++
		}
		order := make([]int, len(c.ports))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sum[a]/count[a], sum[b]/count[b]) })
		c.lay(order)
	}
}

// lay puts ports next to each other. A plain way leaves from the middle, so that what follows stands straight below; the others stand
// left and right of it.
func (c *cell) lay(order []int) {
	total, plain := float64(pillRoom*(len(order)-1)), -1
	for n, i := range order {
		total += c.ports[i].w
		if c.ports[i].name == "" {
			plain = n
		}
	}
	room := float64(pillRoom)
	if spare := min(c.w-56, total+120) - total; spare > 0 && len(order) > 1 {
		room += spare / float64(len(order)-1) / 2
	}
	x := -(total + (room-pillRoom)*float64(len(order)-1)) / 2
	for _, i := range order {
		c.ports[i].x = x + c.ports[i].w/2
		x += c.ports[i].w + room
	}
	if plain >= 0 {
		middle := c.ports[order[plain]].x
		for _, i := range order {
			c.ports[i].x -= middle
		}
	}
	reach := 0.0
	for _, i := range order {
		reach = max(reach, abs(c.ports[i].x)+c.ports[i].w/2)
	}
	c.w = max(c.w, 2*reach+36)
}

// spread finds x: by turns the layers are drawn to where their neighbours above, below, and on both sides want them, as near as the
// order and the widths allow.
func (g *layered) spread() {
	for _, layer := range g.layers {
		x := 0.0
		for i, c := range layer {
			if i > 0 {
				x += apart(layer[i-1], c)
			}
			c.x = x
		}
	}
	for i := range 2 * sweeps {
		up, down := i%2 == 1, i%2 == 0
		if i >= sweeps {
			up, down = true, true
		}
		for n := range g.layers {
			layer := g.layers[n]
			if i%2 == 1 {
				layer = g.layers[len(g.layers)-1-n]
			}
			settle(layer, down, up)
		}
	}
	for range 2 {
		for i := range g.chains {
			straighten(g.layers, g.chains[i].cells)
		}
	}
	left, right := 0.0, 0.0
	first := true
	for _, layer := range g.layers {
		for _, c := range layer {
			if first || c.x-c.w/2 < left {
				left = c.x - c.w/2
			}
			if first || c.x+c.w/2 > right {
				right = c.x + c.w/2
			}
			first = false
		}
	}
	for _, layer := range g.layers {
		for _, c := range layer {
			c.x -= left
		}
	}
	g.w = right - left
}

// apart is the least distance of the middles of two neighbours.
func apart(a, b *cell) float64 {
	gap := float64(boxGap)
	if a.passing || b.passing {
		gap = lineGap
	}
	return (a.w+b.w)/2 + gap
}

// settle moves a layer's cells to where their neighbours want them: of all places that keep order and distances, those with the least sum
// of squared, weighted deviations. Cells that would overlap are pooled, and a pool stands where its members want it together.
func settle(layer []*cell, above, below bool) {
	type pool struct {
		want, weight float64
		first        int
	}
	var pools []pool
	offset := make([]float64, len(layer)) // of each cell from the first one, at the least distances
	for i, c := range layer {
		if i > 0 {
			offset[i] = offset[i-1] + apart(layer[i-1], c)
		}
		want, weight := c.wanted(above, below)
		pools = append(pools, pool{want - offset[i], weight, i})
		for len(pools) > 1 {
			a, b := &pools[len(pools)-2], pools[len(pools)-1]
			if a.want <= b.want {
				break
			}
			a.want = (a.want*a.weight + b.want*b.weight) / (a.weight + b.weight)
			a.weight += b.weight
			pools = pools[:len(pools)-1]
		}
	}
	for i, p := range pools {
		end := len(layer)
		if i+1 < len(pools) {
			end = pools[i+1].first
		}
		for n := p.first; n < end; n++ {
			layer[n].x = p.want + offset[n]
		}
	}
}

// wanted is where a cell's neighbours want it, and how much.
func (c *cell) wanted(above, below bool) (at, weight float64) {
	sum := 0.0
	if above {
		for _, s := range c.in {
			sum += s.weight * (s.from.x + s.fromX())
			weight += s.weight
		}
	}
	if below {
		for _, s := range c.out {
			sum += s.weight * (s.to.x - s.fromX())
			weight += s.weight
		}
	}
	if weight == 0 {
		return c.x, 0.01
	}
	return sum / weight, weight
}

// straighten puts the passing cells of an edge below each other where their neighbours leave room for that.
func straighten(layers [][]*cell, cells []*cell) {
	passing := cells[1 : len(cells)-1]
	if len(passing) < 2 {
		return
	}
	const far = 1e9
	low, high := -far, far
	var xs []float64
	for _, c := range passing {
		layer := layers[c.layer]
		if c.at > 0 {
			low = max(low, layer[c.at-1].x+apart(layer[c.at-1], c))
		}
		if c.at+1 < len(layer) {
			high = min(high, layer[c.at+1].x-apart(c, layer[c.at+1]))
		}
		xs = append(xs, c.x)
	}
	if low > high {
		return
	}
	slices.Sort(xs)
	x := min(max(xs[len(xs)/2], low), high)
	for _, c := range passing {
		c.x = x
	}
}

// stack finds y: layer below layer, with more room where edges go far to the side.
func (g *layered) stack() {
	y := 0.0
	for i, layer := range g.layers {
		height := 0.0
		for _, c := range layer {
			c.y = y
			height = max(height, c.h)
		}
		for _, c := range layer {
			c.bottom = y + height
			if c.passing {
				c.h = height
			}
		}
		y += height
		if i == len(g.layers)-1 {
			break
		}
		far := 0.0
		for _, c := range layer {
			for _, s := range c.out {
				far = max(far, abs(c.x+s.fromX()-s.to.x))
			}
		}
		y += min(maxGap, layerGap+far/14)
	}
	g.h = y
}

func abs(x float64) float64 { return max(x, -x) }
