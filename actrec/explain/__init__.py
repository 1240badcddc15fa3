"""Why a system says what it says: pictures of what its answer depends on."""
