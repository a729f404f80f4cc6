//go:build !linux

package doctor

// mount knows nothing of mounts here.
func (r *Report) mount(string) {}
