package sqlite

// Judge tells what is known of a file system by its number.
func Judge(magic int64) (name, refused, warning string) {
	name = nameOfMagic(magic)
	refused, warning = judge(name)
	return name, refused, warning
}
