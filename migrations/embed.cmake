# Writes the migrations into a C source: cmake -DOUT=… -P migrations/embed.cmake
file(GLOB files ${CMAKE_CURRENT_LIST_DIR}/[0-9][0-9][0-9][0-9]_*.sql)
list(SORT files)
set(bodies "")
set(rows "")
foreach(file ${files})
	get_filename_component(name ${file} NAME_WE)
	string(SUBSTRING ${name} 0 4 digits)
	string(REGEX REPLACE "^0+" "" version ${digits})
	file(READ ${file} hex HEX)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes ${hex})
	string(APPEND bodies
		"static const unsigned char sql_${digits}[] = {${bytes}0};\n")
	string(APPEND rows "    {${version}, \"${name}\",\n     (const char *)sql_${digits}},\n")
endforeach()
file(WRITE ${OUT}.new
"#include \"client/migrate.h\"\n\n${bodies}
const struct migration migrations[] = {\n${rows}};
const size_t migration_count = sizeof migrations / sizeof *migrations;\n")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
