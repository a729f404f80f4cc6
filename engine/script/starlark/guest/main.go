//go:build wasip1

// Command guest is the WebAssembly guest that runs Starlark (see engine/script/starlark): a message on standard input, the answer on
// standard output. It is built as a library (-buildmode=c-shared), so that the host may call it more than once; the host sets memory and
// globals back to what they were after Warm before it does.
package main

import (
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/headgate/headgate/engine/script/starlark/guest/interpreter"
)

func main() {}

// warm makes the guest ready, before its first program and after a rehearsal. Garbage is collected only when the memory that the host
// allows is nearly used up: most programs end earlier. The heap is made large enough for those, so that the guest's memory need not grow
// under them.
//
//go:wasmexport warm
func warm() {
	const most, ready = 11 << 20, 1 << 20
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(most)
	room := make([][]byte, 0, ready>>13)
	for range cap(room) {
		room = append(room, make([]byte, 8<<10))
	}
	runtime.KeepAlive(room)
	runtime.GC()
}

// run reads a message and answers it.
//
//go:wasmexport run
func run() {
	var message []byte
	buffer := make([]byte, 64<<10)
	for {
		n, err := syscall.Read(0, buffer)
		if n <= 0 || err != nil {
			break
		}
		message = append(message, buffer[:n]...)
	}
	for answer := interpreter.Run(message); len(answer) > 0; {
		n, err := syscall.Write(1, answer)
		if n <= 0 || err != nil {
			return
		}
		answer = answer[n:]
	}
}
