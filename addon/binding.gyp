{
  "variables": {
    "executor_sources%": "<!(ls executor/*.c 2>/dev/null || true)"
  },
  "targets": [
    {
      "target_name": "crctl",
      "sources": [
        "src/addon.cc",
        "src/copy.cc",
        "src/dump.cc",
        "src/epoll.cc",
        "src/files.cc",
        "src/held.cc",
        "src/huge.cc",
        "src/inotify.cc",
        "src/mqueue.cc",
        "src/pipe.cc",
        "src/probe.cc",
        "src/process.cc",
        "src/ptrace.cc",
        "src/signals.cc",
        "src/sockets.cc",
        "src/sysv.cc",
        "src/tty.cc"
      ],
      # sources of the restore half, once they are there
      "conditions": [["restore_sources!=''", {"sources": ["<@(restore_sources)"]}]],
      "variables": {
        "restore_sources%": "<!(ls src/restore*.cc 2>/dev/null || true)"
      },
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include_dir\")", "../kmod"],
      "defines": ["NAPI_VERSION=9", "NAPI_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED", "_FILE_OFFSET_BITS=64"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti"],
      "cflags_cc": ["-std=c++17", "-fexceptions", "-Wall", "-Wextra", "-Wno-unused-parameter", "-O2", "-fvisibility=hidden"],
      # the loader finds and relocates one library less at each start
      "ldflags": ["-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL", "-Wl,-z,now"]
    }
  ],
  "conditions": [
    ["executor_sources!=''", {
      "targets": [
        {
          # carries out restore plans; runs where nothing of Node is mapped
          "target_name": "crctl-executor",
          "type": "executable",
          "sources": ["<!@(ls executor/*.c)"],
          "include_dirs": ["../kmod"],
          "defines": ["_GNU_SOURCE", "_FILE_OFFSET_BITS=64"],
          "cflags!": ["-fPIC", "-pthread"],
          "cflags": ["-std=gnu11", "-Wall", "-Wextra", "-O2"],
          "ldflags!": ["-rdynamic", "-pthread"],
          "ldflags": ["-static"]
        }
      ]
    }]
  ]
}
